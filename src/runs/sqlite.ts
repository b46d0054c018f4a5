import { pathToFileURL } from 'node:url'
import Libsql from 'libsql'

/**
 * The only module that knows the SQLite driver: a small, typed, synchronous surface over it.
 *
 * What the driver (libsql 0.5.29) does that decides how it is used here:
 * - A text that is not UTF-8, as one flipped bit can make it, *aborts the process* when it is read. So text is read as bytes,
 *   `CAST(column AS BLOB)`, and a query that gives text is refused.
 * - Rows of objects carry a `_metadata` member, so rows are read as arrays.
 * - -0 stored as REAL comes back as 0, so there is no REAL in a run.
 * - A connection with prepared statements stays open after `close()` until they are garbage-collected, and with it its file
 *   descriptors, its locks and the write-ahead log. So the connection is to an empty database in memory, and the file is
 *   attached to it as `run`: detaching does close the file.
 */
export type SqlValue = null | number | string | Uint8Array
/** Text comes as its bytes. */
export type SqlRow = readonly (null | number | Uint8Array)[]

/** `create`: makes the file; `write` and `read`: it must exist. */
export type OpenMode = 'create' | 'write' | 'read'

/** What went wrong, as far as anyone reacts to it. */
export type SqlProblem = 'busy' | 'read-only' | 'io' | 'corrupt' | 'full' | 'cannot-open' | 'constraint' | 'other'

/** SQLite's primary result codes (https://www.sqlite.org/rescode.html). */
const PROBLEMS: Readonly<Record<number, SqlProblem>> = {
  5: 'busy',
  6: 'busy',
  8: 'read-only',
  10: 'io',
  11: 'corrupt',
  13: 'full',
  14: 'cannot-open',
  19: 'constraint',
  26: 'corrupt',
}

export class SqlError extends Error {
  readonly problem: SqlProblem

  constructor(problem: SqlProblem, message: string, cause: unknown) {
    super(message, { cause })
    this.name = 'SqlError'
    this.problem = problem
  }
}

/** How long a statement waits for another process's lock before it fails as `busy`, milliseconds. */
const BUSY_TIMEOUT_MS = 10_000

export class Sqlite {
  static readonly #opened = new Set<string>()

  readonly #database: InstanceType<typeof Libsql>
  readonly #statements = new Map<string, Libsql.Statement>()
  #open = true

  /** @throws {SqlError} `cannot-open` if the file is missing or may not be opened so, `busy` if it is locked as a whole. */
  constructor(path: string, mode: OpenMode, busyTimeoutMs = BUSY_TIMEOUT_MS) {
    const access = mode === 'create' ? 'rwc' : mode === 'write' ? 'rw' : 'ro'
    this.#database = guard(() => new Libsql(':memory:'))
    Sqlite.#opened.add(path)
    this.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`)
    try {
      // As a URI: it says how to open the file, and a path may hold "?" or "#".
      this.exec(`ATTACH '${pathToFileURL(path).href.replaceAll("'", "''")}?mode=${access}' AS run`)
    } catch (error) {
      this.#database.close()
      throw error
    }
  }

  /**
   * Whether this process has ever connected to the file, by the same path. Then nothing else may open it: closing *any*
   * descriptor of a file drops all POSIX locks that the process holds on it, those of an open connection among them.
   */
  static hasOpened(path: string): boolean {
    return Sqlite.#opened.has(path)
  }

  /** Runs statements without parameters and ignores their rows; leaves nothing prepared. */
  exec(sql: string): void {
    guard(() => this.#database.exec(sql))
  }

  run(sql: string, ...parameters: SqlValue[]): void {
    guard(() => this.#prepared(sql).run(...parameters))
  }

  all(sql: string, ...parameters: SqlValue[]): SqlRow[] {
    return guard(() =>
      this.#prepared(sql)
        .raw(true)
        .all(...parameters),
    ).map(row => toRow(row))
  }

  first(sql: string, ...parameters: SqlValue[]): SqlRow | undefined {
    return this.all(sql, ...parameters)[0]
  }

  /** All or nothing. `write` takes the write lock at the start: a transaction that reads first cannot wait for it later. */
  transaction<T>(kind: 'read' | 'write', body: () => T): T {
    this.exec(kind === 'write' ? 'BEGIN IMMEDIATE' : 'BEGIN')
    try {
      const result = body()
      this.exec('COMMIT')
      return result
    } catch (error) {
      try {
        this.exec('ROLLBACK')
      } catch {
        // SQLite has already rolled back, or cannot; the first error says why.
      }
      throw error
    }
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#statements.clear()
    try {
      this.exec('DETACH run')
    } finally {
      guard(() => this.#database.close())
    }
  }

  #prepared(sql: string): Libsql.Statement {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

function toRow(row: unknown): SqlRow {
  if (!Array.isArray(row)) throw new TypeError('Expected the driver to give rows as arrays.')
  return row.map((value: unknown) => {
    if (value === null || typeof value === 'number') return value
    // A plain array of its own: `slice` of a Buffer would share the memory of the whole.
    if (value instanceof ArrayBuffer || value instanceof Uint8Array) return new Uint8Array(value)
    throw new TypeError(`Expected numbers and blobs from a query, got a ${typeof value}: read text as a blob.`)
  })
}

function guard<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const raw = 'rawCode' in error && typeof error.rawCode === 'number' ? error.rawCode : openingCode(error.message)
    if (raw === undefined) throw error
    throw new SqlError(PROBLEMS[raw & 0xff] ?? 'other', error.message, error)
  }
}

/** Opening fails with the result code in the text only. */
function openingCode(message: string): number | undefined {
  const found = /^ConnectionFailed\(.*: (\d+)"\)$/s.exec(message)
  return found === null ? undefined : Number(found[1])
}
