import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import type { JsonValue } from '../candidate.ts'
import { RunLockedError, RunStoreError, show } from '../errors.ts'
import { encodeManifest, exactJson, integer, seal, text } from './codec.ts'
import { LOCK_FILE, type Lock, takeLock } from './lock.ts'
import type { Run, RunManifest, RunReader } from './run-store.ts'
import { APPLICATION_ID, FORMAT, SCHEMA } from './schema.ts'
import { type OpenMode, SqlError, Sqlite } from './sqlite.ts'
import { damage, SqliteRun, SqliteRunReader, storeErrors } from './sqlite-run.ts'

/** The file that makes a folder a run. */
export const RUN_FILE = 'run.sqlite'
/** Renamed to {@link RUN_FILE} when it is complete: a run exists whole or not at all. */
const DRAFT_FILE = 'run.sqlite.draft'

/** First bytes of an SQLite file, and where its header keeps what is checked before SQLite sees it (https://www.sqlite.org/fileformat2.html). */
const MAGIC = Buffer.from('SQLite format 3\0')
const HEADER_BYTES = 100
const USER_VERSION_OFFSET = 60
const APPLICATION_ID_OFFSET = 68
/** The smallest page, and so the smallest file. */
const LEAST_BYTES = 512
const FIRST_FORMAT = 1

export interface NewRun {
  /** Evaluations, at least 1. */
  readonly budget: number
  /** Facts that the run has from its first moment. */
  readonly facts?: Readonly<Record<string, JsonValue>>
}

/**
 * Makes a folder a run and opens it for writing.
 *
 * @throws {RunStoreError} if the folder holds a run already, or cannot be written.
 * @throws {RunLockedError} if another process is making the same run.
 */
export function createRun(folder: string, manifest: RunManifest, options: NewRun): Run {
  const { path, entries } = storeErrors('writing', resolve(folder), 'its folder', () => {
    mkdirSync(folder, { recursive: true })
    return { path: realpathSync(folder), entries: readdirSync(folder) }
  })
  if (entries.includes(RUN_FILE))
    throw new RunStoreError(`${show(path)} already holds a run.`, {
      hint: 'Resume it with `amalgam resume`, or choose another folder.',
    })
  const stranger = entries.find(name => !name.startsWith(LOCK_FILE) && !name.startsWith(DRAFT_FILE))
  if (stranger !== undefined)
    throw new RunStoreError(`${show(path)} is not empty: it holds ${show(stranger)}.`, {
      hint: 'Choose a new folder for the run.',
    })
  const lock = lockFolder(path)
  try {
    if (existsSync(join(path, RUN_FILE))) throw lockedError(path) // made and left between our look and our lock
    storeErrors('writing', path, 'a new run', () => {
      writeDraft(join(path, DRAFT_FILE), manifest, options)
      renameSync(join(path, DRAFT_FILE), join(path, RUN_FILE))
      syncFolder(path)
    })
    return openLocked(path, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

/**
 * Opens a run for writing; takes its lock. Reads data only: nothing that a run folder holds is ever executed.
 *
 * @throws {RunStoreError} if it is missing, foreign, damaged, or of a newer format.
 * @throws {RunLockedError} if another process writes to it.
 */
export function openRun(folder: string): Run {
  const path = checkFiles(folder)
  const lock = lockFolder(path)
  try {
    return openLocked(path, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Opens a run for reading, also while another process writes to it. @throws {RunStoreError} as {@link openRun}. */
export function readRun(folder: string): RunReader {
  const path = checkFiles(folder)
  const database = openDatabase(path, 'read')
  try {
    return new SqliteRunReader(path, database)
  } catch (error) {
    database.close()
    throw error
  }
}

function openLocked(path: string, lock: Lock): Run {
  const database = openDatabase(path, 'write')
  try {
    storeErrors('writing', path, RUN_FILE, () => {
      database.exec('PRAGMA run.journal_mode = WAL')
      database.exec('PRAGMA run.synchronous = FULL')
      const [verdict] = database.first("SELECT CAST(quick_check AS BLOB) FROM pragma_quick_check(1, 'run')") ?? []
      if (text(verdict) !== 'ok') throw damage(path, RUN_FILE, new RangeError(text(verdict)))
      const [orphan] =
        database.first(`SELECT CAST("table" AS BLOB) FROM pragma_foreign_key_check WHERE schema = 'run' LIMIT 1`) ?? []
      if (orphan !== undefined)
        throw damage(path, RUN_FILE, new RangeError(`a row of ${show(text(orphan))} refers to one that is missing`))
      database.run(
        'INSERT INTO sessions (pid, host, opened_at) VALUES (?, ?, ?)',
        process.pid,
        hostname(),
        new Date().toISOString(),
      )
    })
    return new SqliteRun(path, database, lock)
  } catch (error) {
    database.close()
    throw error
  }
}

/** A connection with the settings that suit a file from elsewhere, its schema compared. */
function openDatabase(path: string, mode: OpenMode): Sqlite {
  return storeErrors('reading', path, RUN_FILE, () => {
    const database = new Sqlite(join(path, RUN_FILE), mode)
    try {
      harden(database)
      checkSchema(path, database)
      return database
    } catch (error) {
      database.close()
      throw error
    }
  })
}

/** https://www.sqlite.org/security.html, section 1.2: a hostile file may hide code in its schema, or break its own b-trees. */
function harden(database: Sqlite): void {
  database.exec('PRAGMA trusted_schema = OFF')
  database.exec('PRAGMA cell_size_check = ON')
  database.exec('PRAGMA run.mmap_size = 0')
  database.exec('PRAGMA foreign_keys = ON')
}

function checkSchema(path: string, database: Sqlite): void {
  const [id] = database.first('PRAGMA run.application_id') ?? []
  const [format] = database.first('PRAGMA run.user_version') ?? []
  checkIdentity(path, integer(id), integer(format))
  // Indexes that SQLite makes for a PRIMARY KEY have no text and follow from their tables.
  const rows = database.all(
    "SELECT CAST(type AS BLOB), CAST(name AS BLOB), CAST(sql AS BLOB) FROM run.sqlite_schema WHERE sql IS NOT NULL OR type <> 'index'",
  )
  const found = new Map(rows.map(([type, name, sql]) => [text(name), { type: text(type), sql: text(sql) }]))
  for (const [name, { type }] of found) {
    if (!Object.hasOwn(SCHEMA, name)) throw foreign(path, `it defines the ${type} ${show(name)}, which no run has`)
  }
  for (const [name, sql] of Object.entries(SCHEMA)) {
    const actual = found.get(name)?.sql
    if (actual === undefined) throw foreign(path, `it lacks ${show(name)}`)
    if (actual !== sql) throw foreign(path, `it defines ${show(name)} differently: ${show(actual)}`)
  }
}

function foreign(path: string, what: string): RunStoreError {
  return new RunStoreError(`${show(join(path, RUN_FILE))} is not the file of a run: ${what}.`, {
    hint: 'Open it only if you know where it comes from; Amalgam does not.',
  })
}

/** Before SQLite sees a byte: the right kinds of files, the right kind of header. Returns the folder's real path. */
function checkFiles(folder: string): string {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new RunStoreError(`There is no run at ${show(resolve(folder))}: no such folder.`, {
      hint: 'List the runs with `amalgam runs`.',
    })
  const path = realpathSync(folder)
  if (lstatSync(join(path, RUN_FILE), { throwIfNoEntry: false }) === undefined)
    throw new RunStoreError(`There is no run at ${show(path)}: the folder holds no ${RUN_FILE}.`, {
      hint: 'List the runs with `amalgam runs`.',
    })
  // A link could send the writes of SQLite anywhere; a pipe would keep it waiting.
  for (const name of [RUN_FILE, `${RUN_FILE}-wal`, `${RUN_FILE}-shm`, `${RUN_FILE}-journal`, LOCK_FILE]) {
    const stat = lstatSync(join(path, name), { throwIfNoEntry: false })
    if (stat !== undefined && !stat.isFile())
      throw new RunStoreError(`${show(join(path, name))} must be an ordinary file; it is ${describe(stat)}.`, {
        hint: 'Open it only if you know where it comes from; Amalgam does not.',
      })
  }
  checkHeader(path)
  return path
}

function checkHeader(path: string): void {
  const file = join(path, RUN_FILE)
  const header = storeErrors('reading', path, RUN_FILE, () => readHeader(file))
  if (header === undefined) return
  const { bytes, size } = header
  if (size < LEAST_BYTES)
    throw new RunStoreError(`${show(file)} is cut short: it has ${size} bytes, the least is ${LEAST_BYTES}.`, {
      hint: 'Restore it from a copy.',
    })
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw foreign(path, 'it is not an SQLite file')
  checkIdentity(path, bytes.readUInt32BE(APPLICATION_ID_OFFSET), bytes.readUInt32BE(USER_VERSION_OFFSET))
}

function checkIdentity(path: string, id: number, format: number): void {
  if (id !== APPLICATION_ID)
    throw foreign(path, `its application id is ${hex(id)}, that of a run is ${hex(APPLICATION_ID)}`)
  if (format > FORMAT)
    throw new RunStoreError(
      `Run ${show(path)} was written by a newer Amalgam: it has format ${format}, this version reads up to ${FORMAT}.`,
      { hint: 'Update Amalgam.' },
    )
  if (format < FIRST_FORMAT) throw foreign(path, `its format is ${format}, the first is ${FIRST_FORMAT}`)
  if (format < FORMAT)
    throw new RunStoreError(
      `Run ${show(path)} was written by an earlier Amalgam: it has format ${format}, this version reads format ${FORMAT}.`,
      { hint: 'Show or resume it with the version that wrote it, or run the search again.' },
    )
}

/** `undefined`: this process has connected to the file before, and must not open it in another way. See `Sqlite.hasOpened`. */
function readHeader(file: string): { readonly bytes: Buffer; readonly size: number } | undefined {
  if (Sqlite.hasOpened(file)) return undefined
  const descriptor = openSync(file, 'r')
  try {
    const bytes = Buffer.alloc(HEADER_BYTES)
    readSync(descriptor, bytes, 0, HEADER_BYTES, 0)
    return { bytes, size: lstatSync(file).size }
  } finally {
    closeSync(descriptor)
  }
}

function writeDraft(file: string, manifest: RunManifest, { budget, facts = {} }: NewRun): void {
  for (const left of [file, `${file}-journal`]) rmSync(left, { force: true }) // by a crash in an earlier try
  const database = new Sqlite(file, 'create')
  try {
    database.exec('PRAGMA run.synchronous = FULL')
    database.transaction('write', () => {
      // SQLite keeps the definition without the name of the attached database, as in SCHEMA.
      for (const sql of Object.values(SCHEMA)) database.exec(sql.replace(/^CREATE (TABLE|VIEW) /, '$&run.'))
      const [json, objectives] = encodeManifest(manifest)
      database.run(
        'INSERT INTO manifest (json, objectives, crc, id) VALUES (?, ?, ?, 1)',
        ...seal([json ?? null, objectives ?? null]),
      )
      database.run('INSERT INTO budgets (id, budget, crc) VALUES (?, ?, ?)', ...seal([1, budget]))
      for (const [name, value] of Object.entries(facts))
        database.run('INSERT INTO facts (name, json, crc) VALUES (?, ?, ?)', ...seal([name, exactJson(value)]))
      database.exec(`PRAGMA run.application_id = ${APPLICATION_ID}`)
      database.exec(`PRAGMA run.user_version = ${FORMAT}`)
    })
  } finally {
    database.close()
  }
}

/** Makes the rename last through a power cut. Windows cannot open folders, and needs no such thing. */
function syncFolder(path: string): void {
  if (process.platform === 'win32') return
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** How long to wait for a new holder of the lock to write down who it is, milliseconds; and how often to look. */
const INTRODUCTION_MS = 500
const GLANCE_MS = 25

function lockFolder(path: string): Lock {
  const lock = storeErrors('writing', path, LOCK_FILE, () => takeLock(path))
  if (lock !== undefined) return lock
  throw lockedError(path)
}

function lockedError(path: string): RunLockedError {
  const holder = findHolder(path)
  const who =
    holder === undefined
      ? 'another process'
      : `process ${holder.pid} on host ${show(holder.host)} (since ${show(holder.openedAt)})`
  return new RunLockedError(`Run ${show(path)} is being written by ${who}.`, {
    hint: 'Wait for it to end, or stop it. A run can be read while it goes on.',
  })
}

interface Holder {
  readonly pid: number
  readonly host: string
  readonly openedAt: string
}

/** The newest session, once it can be the holder's: a holder writes its session a moment after it has the lock. */
function findHolder(path: string): Holder | undefined {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (let waited = 0; waited <= INTRODUCTION_MS; waited += GLANCE_MS) {
    const holder = lastSession(path)
    if (holder !== undefined && (holder.host !== hostname() || isAlive(holder.pid))) return holder
    Atomics.wait(pause, 0, 0, GLANCE_MS)
  }
  return undefined
}

function lastSession(path: string): Holder | undefined {
  if (!existsSync(join(path, RUN_FILE))) return undefined // still being made
  const database = openDatabase(path, 'read')
  try {
    const row = database.first(
      'SELECT pid, CAST(host AS BLOB), CAST(opened_at AS BLOB) FROM sessions ORDER BY id DESC LIMIT 1',
    )
    return row && { pid: integer(row[0]), host: text(row[1]), openedAt: text(row[2]) }
  } catch (error) {
    if (error instanceof SqlError) return undefined // it only names the holder
    throw error
  } finally {
    database.close()
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function describe(stat: { isSymbolicLink(): boolean; isDirectory(): boolean }): string {
  return stat.isSymbolicLink() ? 'a symbolic link' : stat.isDirectory() ? 'a folder' : 'something else'
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}
