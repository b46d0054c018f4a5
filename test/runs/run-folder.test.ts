import { spawn } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import Libsql from 'libsql'
import { describe, expect, it } from 'vitest'
import { RunStoreError } from '../../src/errors.ts'
import { createRng } from '../../src/rng.ts'
import { text } from '../../src/runs/codec.ts'
import { listRuns } from '../../src/runs/list-runs.ts'
import { createRun, openRun, readRun } from '../../src/runs/run-folder.ts'
import { Sqlite } from '../../src/runs/sqlite.ts'
import { runStoreContract } from '../contracts/run-store-contract.ts'
import { tempFolder } from '../helpers/temp-run.ts'
import { candidate, manifest, scored } from '../helpers/trials.ts'

runStoreContract('The SQLite run store', { create: createRun, open: openRun, read: readRun })

const genome = [0.25, -0.5]

/** A closed run of `trials` told trials. */
function smallRun(folder: string, trials = 5): void {
  const run = createRun(folder, manifest(), { budget: 10 })
  for (let id = 0; id < trials; id++) {
    run.recordAsked(1, [candidate(id, genome)])
    run.recordEvaluation(id, scored([id / 8, 1], [Float32Array.of(id), new Float32Array()]))
    const seq = run.recordTold([id])
    run.recordSnapshot(seq, { kind: 'fake', version: 1, state: { told: id + 1 } })
  }
  run.recordStopped({ criterion: 'budget', detail: '5 evaluations' })
  run.close()
}

/** A copy in a new folder: the process has never connected to it. */
function copied(from: string, change: (bytes: Buffer) => Buffer = bytes => bytes): string {
  const folder = tempFolder()
  writeFileSync(join(folder, 'run.sqlite'), change(readFileSync(join(from, 'run.sqlite'))))
  return folder
}

/** A copy whose database was changed by SQL. */
function tampered(from: string, sql: string): string {
  const folder = copied(from)
  const database = new Libsql(join(folder, 'run.sqlite'))
  database.exec(sql)
  database.close()
  return folder
}

const refusal = (open: () => unknown): RunStoreError => {
  try {
    open()
  } catch (error) {
    if (error instanceof RunStoreError) return error
    throw error
  }
  throw new Error('Expected a refusal.')
}

describe('a run folder', () => {
  it('is one whole file after close, readable where nothing can be written', () => {
    const folder = tempFolder()
    smallRun(folder)
    expect(readdirSync(folder).sort()).toEqual(['lock.sqlite', 'run.sqlite'])
    const reader = readRun(copied(folder))
    expect(reader.trials()).toHaveLength(5)
    reader.close()
    expect(readdirSync(reader.folder)).toEqual(['run.sqlite'])
  })

  it('is whole after close, also while someone still reads it', () => {
    const folder = tempFolder()
    const run = createRun(folder, manifest(), { budget: 1 })
    const reader = readRun(folder)
    expect(reader.candidates()).toEqual([])
    run.recordAsked(1, [candidate(0, genome)])
    run.close()
    const copy = tempFolder()
    copyFileSync(join(folder, 'run.sqlite'), join(copy, 'run.sqlite'))
    reader.close()
    const other = readRun(copy)
    expect(other.candidates()).toHaveLength(1)
    other.close()
  })

  it('loses nothing when its process dies: what was recorded is in the file and its log', () => {
    const folder = tempFolder()
    const run = createRun(folder, manifest(), { budget: 1 })
    run.recordAsked(1, [candidate(0, genome)])
    const copy = tempFolder()
    for (const name of ['run.sqlite', 'run.sqlite-wal']) copyFileSync(join(folder, name), join(copy, name))
    const reader = readRun(copy)
    expect(reader.candidates()).toHaveLength(1)
    reader.close()
    const writer = openRun(copy)
    writer.recordEvaluation(0, scored([1, 1]))
    writer.close()
    run.close()
  })

  it('lets any SQLite tool read trials and scores', () => {
    const folder = tempFolder()
    smallRun(folder, 2)
    const database = new Sqlite(join(folder, 'run.sqlite'), 'read')
    const rows = (sql: string) => database.all(sql).map(row => row.map(v => (v instanceof Uint8Array ? text(v) : v)))
    const trials = 'SELECT id, CAST(status AS BLOB), CAST("values" AS BLOB), asked, told FROM trials'
    expect(rows(trials)).toEqual([
      [0, 'scored', '[0,1]', 1, 2],
      [1, 'scored', '[0.125,1]', 3, 4],
    ])
    const scores = 'SELECT id, CAST(objective AS BLOB), value, CAST(unit AS BLOB) FROM scores WHERE id = 1'
    expect(rows(scores)).toEqual([
      [1, 'accuracy', 0.125, 'accuracy, 0..1'],
      [1, 'size', 1, 'bytes'],
    ])
    database.close()
  })

  it('refuses a folder that holds something else', () => {
    const folder = tempFolder()
    writeFileSync(join(folder, 'thesis.tex'), '')
    expect(refusal(() => createRun(folder, manifest(), { budget: 1 })).message).toContain(
      'is not empty: it holds "thesis.tex".',
    )
  })

  it('makes a run again where an earlier try died before the run was whole', () => {
    const folder = tempFolder()
    writeFileSync(join(folder, 'run.sqlite.draft'), 'half a datab')
    writeFileSync(join(folder, 'lock.sqlite'), '')
    createRun(folder, manifest(), { budget: 1 }).close()
    expect(readdirSync(folder).sort()).toEqual(['lock.sqlite', 'run.sqlite'])
  })
})

describe('a run file from elsewhere', () => {
  const source = (): string => {
    const folder = tempFolder()
    smallRun(folder)
    return folder
  }

  it('is refused if it is not SQLite', () => {
    const folder = copied(source(), bytes => Buffer.concat([Buffer.from('PK\u0003\u0004'), bytes.subarray(4)]))
    expect(refusal(() => readRun(folder)).message).toContain('is not the file of a run: it is not an SQLite file.')
    expect(refusal(() => openRun(folder)).message).toContain('is not the file of a run: it is not an SQLite file.')
  })

  it('is refused if it is shorter than the smallest database', () => {
    const folder = copied(source(), bytes => bytes.subarray(0, 100))
    expect(refusal(() => readRun(folder)).message).toContain('is cut short: it has 100 bytes, the least is 512.')
  })

  it('is refused if it belongs to another program', () => {
    const known = source() // this process has had it open, and asks SQLite
    const database = new Libsql(join(known, 'run.sqlite'))
    database.exec('PRAGMA application_id = 7')
    database.close()
    for (const folder of [known, copied(known)])
      expect(refusal(() => readRun(folder)).message).toContain(
        'is not the file of a run: its application id is 0x00000007, that of a run is 0x414d4c47.',
      )
  })

  it('is refused if a newer version wrote it', () => {
    const folder = copied(tampered(source(), 'PRAGMA user_version = 3'))
    const error = refusal(() => openRun(folder))
    expect(error.message).toContain('was written by a newer Amalgam: it has format 3, this version reads up to 2.')
    expect(error.hint).toBe('Update Amalgam.')
  })

  it('is refused if an earlier version wrote it', () => {
    const error = refusal(() => openRun(copied(tampered(source(), 'PRAGMA user_version = 1'))))
    expect(error.message).toContain('was written by an earlier Amalgam: it has format 1, this version reads format 2.')
  })

  it('is refused if it has a format from before the first', () => {
    const folder = copied(tampered(source(), 'PRAGMA user_version = 0'))
    expect(refusal(() => openRun(folder)).message).toContain('its format is 0, the first is 1.')
  })

  it('is refused if its schema holds code that no run has', () => {
    const trigger = tampered(
      source(),
      'CREATE TRIGGER surprise AFTER INSERT ON sessions BEGIN DELETE FROM candidates; END',
    )
    expect(refusal(() => openRun(trigger)).message).toContain('it defines the trigger "surprise", which no run has.')
    const view = tampered(source(), 'DROP TABLE facts; CREATE VIEW facts AS SELECT 1 AS name, 2 AS json, 3 AS crc')
    expect(refusal(() => readRun(view)).message).toContain('it defines "facts" differently: "CREATE VIEW facts')
    const index = tampered(source(), 'CREATE INDEX hidden ON candidates (hex(genome))')
    expect(refusal(() => readRun(index)).message).toContain('it defines the index "hidden", which no run has.')
    const missing = tampered(source(), 'DROP TABLE facts')
    expect(refusal(() => readRun(missing)).message).toContain('it lacks "facts".')
  })

  it('is refused if it is a link, which would send writes elsewhere', () => {
    const folder = tempFolder()
    symlinkSync(join(source(), 'run.sqlite'), join(folder, 'run.sqlite'))
    expect(refusal(() => readRun(folder)).message).toContain('must be an ordinary file; it is a symbolic link.')
    const other = copied(source())
    mkdirSync(join(other, 'run.sqlite-wal'))
    expect(refusal(() => openRun(other)).message).toContain('must be an ordinary file; it is a folder.')
  })

  it('is refused for writing if pages are missing', () => {
    const folder = copied(source(), bytes => bytes.subarray(0, bytes.length - 3 * 4096))
    expect(refusal(() => openRun(folder)).message).toMatch(/^Run ".*" is damaged: /)
  })

  it('names the row in which a value was changed', () => {
    const value = tampered(source(), `UPDATE evaluations SET "values" = '[0.9,1]' WHERE id = 3`)
    const error = refusal(() => openAndClose(value))
    expect(error.message).toMatch(
      /^Run ".*" is damaged: its trials: evaluation 3: its checksum is \d+, its content has \d+\.$/,
    )
    expect(error.hint).toBe('Copy the folder aside; `sqlite3 run.sqlite .recover` may save what is left.')
    const gap = tampered(source(), 'PRAGMA foreign_keys = OFF; DELETE FROM events WHERE seq = 4')
    expect(refusal(() => readRun(gap).events()).message).toContain('is damaged: its events: event 4 is missing.')
  })

  const openAndClose = (folder: string): void => {
    const run = readRun(folder)
    try {
      run.trials()
    } finally {
      run.close()
    }
  }

  it('takes a damaged snapshot for none at all', () => {
    const run = readRun(tampered(source(), `UPDATE snapshots SET state = '{"told":6}'`))
    expect(run.latestSnapshot()).toBeUndefined()
    run.close()
  })

  it('never gives another content after one flipped bit: it is refused, or reads the same', () => {
    const folder = source()
    const bytes = readFileSync(join(folder, 'run.sqlite'))
    const everything = (path: string) => {
      const run = readRun(path)
      try {
        const { manifest, budget } = run
        return { manifest, budget, events: run.events(), trials: run.trials(), reason: run.stopReason() }
      } finally {
        run.close()
      }
    }
    const expected = everything(copied(folder))
    const rng = createRng(5)
    let refused = 0
    for (let flip = 0; flip < 150; flip++) {
      const at = rng.integer(0, bytes.length)
      const bit = rng.integer(0, 8)
      const path = copied(folder, original => {
        original[at]! ^= 1 << bit
        return original
      })
      try {
        expect(everything(path)).toEqual(expected)
      } catch (error) {
        if (!(error instanceof RunStoreError)) throw error
        refused++
      }
    }
    expect(refused).toBeGreaterThan(0)
  })
})

describe('the lock of a run', () => {
  /** Another process that opens a run for writing and keeps it until it is killed. */
  const holder = (folder: string) =>
    `import Libsql from 'libsql'
     const run = new Libsql(${JSON.stringify(join(folder, 'run.sqlite'))})
     run.exec("INSERT INTO sessions (pid, host, opened_at) VALUES (" + process.pid + ", '" + (await import('node:os')).hostname() + "', 'now')")
     const lock = new Libsql(${JSON.stringify(join(folder, 'lock.sqlite'))})
     lock.exec('BEGIN EXCLUSIVE')
     console.log('held')
     setInterval(() => {}, 1000)`

  it('names a process elsewhere that holds it, and is free at once when that is killed', async () => {
    const root = tempFolder()
    const folder = join(root, 'run')
    smallRun(folder)
    const child = spawn(process.execPath, ['--input-type=module', '-e', holder(folder)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise(resolve => child.stdout.once('data', resolve))
    expect(() => openRun(folder)).toThrow(`is being written by process ${child.pid} on host `)
    expect(listRuns(root)).toMatchObject([{ state: 'running' }])
    const reader = readRun(folder) // reading goes on
    expect(reader.trials()).toHaveLength(5)
    reader.close()
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
    expect(listRuns(root)).toMatchObject([{ state: 'finished' }])
    openRun(folder).close()
  })

  it('is not confused by a session whose process is long gone', () => {
    const folder = tempFolder()
    smallRun(folder)
    const stale = tampered(folder, `INSERT INTO sessions (pid, host, opened_at) VALUES (999999999, '${'x'}', 'then')`)
    openRun(stale).close()
  })

  it('gives its files back, whoever had them open', () => {
    const folder = tempFolder()
    smallRun(folder)
    for (let i = 0; i < 5; i++) {
      const run = openRun(folder)
      const reader = readRun(folder)
      expect(reader.trials()).toEqual(run.trials())
      reader.close()
      run.close()
    }
    expect(readdirSync(folder).sort()).toEqual(['lock.sqlite', 'run.sqlite'])
    if (process.platform !== 'linux') return
    const descriptors = readdirSync('/proc/self/fd').map(fd => `/proc/self/fd/${fd}`)
    const open = descriptors.flatMap(fd => (existsSync(fd) ? [readlinkSync(fd)] : [])) // the listing's own is gone
    expect(open.filter(path => path.startsWith(folder))).toEqual([])
  })
})
