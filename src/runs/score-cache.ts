import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { exactJson, integer, seal, text, unseal } from './codec.ts'
import { SqlError, Sqlite } from './sqlite.ts'

/**
 * Scores of single examples across runs, in an SQLite file beside them: a recipe that was scored before, with the same sources by the same
 * evaluator, need not be scored again. What is stored is a prefix of each objective's examples, which grows.
 *
 * It is a cache: a file that cannot be opened, read or written costs the scores in it, never a run. Several processes may use one.
 */
export interface CachedScores {
  /** Per objective, the scores of its first examples; empty where none are known. */
  readonly exampleScores: readonly Float32Array[]
  /** Values over all examples, where the whole was scored in one go. */
  readonly whole: readonly number[] | undefined
  /** Values of objectives without examples; `null` for the others. */
  readonly exact: readonly (number | null)[]
}

const VERSION = 1
/** Of scores kept, bytes; past it the longest unused go until a tenth is free. */
const LIMIT_BYTES = 256 * 2 ** 20
const CHECK_EVERY = 200

const countsSchema = z.array(z.int().min(0))
const wholeSchema = z.array(z.number()).nullable()
const exactSchema = z.array(z.number().nullable())

export class ScoreCache {
  readonly #database: Sqlite
  readonly #limit: number
  readonly #onTrouble: (message: string) => void
  #puts = 0
  #broken = false

  private constructor(database: Sqlite, limit: number, onTrouble: (message: string) => void) {
    this.#database = database
    this.#limit = limit
    this.#onTrouble = onTrouble
  }

  /** @returns `undefined`, having said why, where the file cannot be used. */
  static open(path: string, onTrouble: (message: string) => void, limitBytes = LIMIT_BYTES): ScoreCache | undefined {
    try {
      mkdirSync(dirname(path), { recursive: true })
      const database = new Sqlite(path, 'create', 2000)
      try {
        database.exec('PRAGMA run.journal_mode = WAL')
        database.exec('PRAGMA run.synchronous = OFF') // the operating system's death may cost scores, nothing else can
        database.transaction('write', () => {
          const [version] = database.first('PRAGMA run.user_version') ?? []
          if (version !== VERSION) database.exec('DROP TABLE IF EXISTS run.scores')
          database.exec(`CREATE TABLE IF NOT EXISTS run.scores (
            key TEXT PRIMARY KEY, counts TEXT NOT NULL, scores BLOB NOT NULL, whole TEXT NOT NULL, exact TEXT NOT NULL,
            crc INTEGER NOT NULL, used INTEGER NOT NULL
          ) STRICT, WITHOUT ROWID`)
          database.exec(`PRAGMA run.user_version = ${VERSION}`)
        })
        return new ScoreCache(database, limitBytes, onTrouble)
      } catch (error) {
        database.close()
        throw error
      }
    } catch (error) {
      onTrouble(troubleWith(error))
      return undefined
    }
  }

  /** @param parts everything that decides the scores, and the split */
  static key(parts: readonly string[]): string {
    const hash = createHash('sha256')
    for (const part of parts) hash.update(`${part.length}:${part};`)
    return hash.digest('hex')
  }

  get(key: string): CachedScores | undefined {
    return this.#try(() => {
      const row = this.#database.first(
        `SELECT CAST(key AS BLOB), CAST(counts AS BLOB), scores, CAST(whole AS BLOB), CAST(exact AS BLOB), crc
         FROM run.scores WHERE key = ?`,
        key,
      )
      if (row === undefined) return undefined
      let found: CachedScores
      try {
        found = decode(unseal(row))
      } catch {
        this.#database.run('DELETE FROM run.scores WHERE key = ?', key) // a flipped bit, or another program's
        return undefined
      }
      this.#database.run('UPDATE run.scores SET used = ? WHERE key = ?', Date.now(), key)
      return found
    })
  }

  /** The longer prefix stays, objective by objective. */
  put(key: string, scores: CachedScores): void {
    this.#try(() =>
      this.#database.transaction('write', () => {
        const known = this.get(key)
        const merged = known === undefined ? scores : longer(known, scores)
        const bytes = Buffer.concat(
          merged.exampleScores.map(list => Buffer.from(list.buffer, list.byteOffset, list.byteLength)),
        )
        const columns = seal([
          key,
          exactJson(merged.exampleScores.map(list => list.length)),
          bytes,
          exactJson(merged.whole ?? null),
          exactJson(merged.exact),
        ])
        this.#database.run(
          'INSERT OR REPLACE INTO run.scores (key, counts, scores, whole, exact, crc, used) VALUES (?, ?, ?, ?, ?, ?, ?)',
          ...columns,
          Date.now(),
        )
        if (this.#puts++ % CHECK_EVERY === 0) this.#shrink()
      }),
    )
  }

  close(): void {
    try {
      this.#database.exec('PRAGMA busy_timeout = 0')
      this.#database.exec('PRAGMA run.wal_checkpoint(TRUNCATE)')
    } catch (error) {
      if (!(error instanceof SqlError)) throw error // another process uses it: it will do that
    }
    this.#database.close()
  }

  #shrink(): void {
    const size = (): number =>
      integer(this.#database.first('SELECT coalesce(sum(length(scores)), 0) FROM run.scores')![0])
    let bytes = size()
    if (bytes <= this.#limit) return
    while (bytes > 0.9 * this.#limit) {
      const [count] = this.#database.first('SELECT count(*) FROM run.scores')!
      const few = Math.max(1, Math.ceil(integer(count) / 20))
      this.#database.run('DELETE FROM run.scores WHERE key IN (SELECT key FROM run.scores ORDER BY used LIMIT ?)', few)
      bytes = size()
    }
  }

  /** After the first trouble the cache is as good as empty, and says so once. */
  #try<T>(body: () => T): T | undefined {
    if (this.#broken) return undefined
    try {
      return body()
    } catch (error) {
      if (error instanceof SqlError && error.problem === 'busy') return undefined
      this.#broken = true
      this.#onTrouble(troubleWith(error))
      return undefined
    }
  }
}

function troubleWith(error: unknown): string {
  return `example scores are not cached: ${error instanceof Error ? error.message : String(error)}`
}

function decode(columns: readonly (number | null | Uint8Array)[]): CachedScores {
  const [, counts, blob, whole, exact] = columns
  if (!(blob instanceof Uint8Array)) throw new TypeError('expected bytes')
  let from = 0
  const exampleScores = countsSchema.parse(JSON.parse(text(counts))).map(count => {
    const part = blob.slice(from, from + 4 * count)
    if (part.length !== 4 * count) throw new RangeError('scores are missing')
    from += 4 * count
    return new Float32Array(part.buffer)
  })
  return {
    exampleScores,
    whole: wholeSchema.parse(JSON.parse(text(whole))) ?? undefined,
    exact: exactSchema.parse(JSON.parse(text(exact))),
  }
}

function longer(a: CachedScores, b: CachedScores): CachedScores {
  if (a.exampleScores.length !== b.exampleScores.length) return b
  return {
    exampleScores: a.exampleScores.map((list, i) =>
      list.length >= b.exampleScores[i]!.length ? list : b.exampleScores[i]!,
    ),
    whole: a.whole ?? b.whole,
    exact: a.exact.map((value, i) => value ?? b.exact[i] ?? null),
  }
}
