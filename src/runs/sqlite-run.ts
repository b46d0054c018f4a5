import { ZodError } from 'zod'
import type { Candidate, CandidateId, Evaluation, JsonValue, StopReason, Trial } from '../candidate.ts'
import { AmalgamError, ConfigError, RunStoreError, show } from '../errors.ts'
import { SPLITS } from '../evaluation/evaluator.ts'
import type { Snapshot } from '../strategies/strategy.ts'
import {
  CANDIDATE_COLUMNS,
  CANDIDATE_SELECT,
  decodeCandidate,
  decodeEvaluation,
  decodeManifest,
  decodeRecipe,
  decodeRung,
  decodeSplit,
  decodeStopReason,
  EVALUATION_COLUMNS,
  EVALUATION_SELECT,
  encodeCandidate,
  encodeEvaluation,
  encodeRecipe,
  encodeRung,
  encodeStopReason,
  exactJson,
  integer,
  parseJson,
  seal,
  text,
  unseal,
} from './codec.ts'
import type { Lock } from './lock.ts'
import type { Assessment, Run, RunEvent, RunManifest, RunReader } from './run-store.ts'
import { SqlError, type Sqlite, type SqlRow } from './sqlite.ts'

const EVENT_SELECT = 'seq, CAST(type AS BLOB), requested, CAST(reason AS BLOB), crc'

/** A run's SQLite file, for reading. Each method sees one state of the run, also while another process writes. */
export class SqliteRunReader implements RunReader {
  readonly folder: string
  readonly manifest: RunManifest
  protected readonly database: Sqlite
  /** d. */
  protected readonly genes: number
  /** m. */
  protected readonly objectives: number

  /** @throws {RunStoreError} if the manifest is damaged. */
  constructor(folder: string, database: Sqlite) {
    this.folder = folder
    this.database = database
    this.manifest = this.#read('its manifest', () => {
      const row = database.first('SELECT CAST(json AS BLOB), CAST(objectives AS BLOB), crc FROM manifest')
      if (row === undefined) throw new RangeError('there is none')
      return decodeManifest(unseal(row)[0])
    })
    this.genes = this.manifest.geneNames.length
    this.objectives = this.manifest.objectives.length
  }

  get budget(): number {
    return this.#read('its budget', () => {
      const row = this.database.first('SELECT id, budget, crc FROM budgets ORDER BY id DESC LIMIT 1')
      if (row === undefined) throw new RangeError('there is none')
      return integer(unseal(row)[1])
    })
  }

  events(afterSeq = 0): RunEvent[] {
    return this.#read('its events', () => {
      const asked = groupIds(
        this.#rows('candidate', `SELECT ${CANDIDATE_SELECT} FROM candidates WHERE asked > ? ORDER BY id`, afterSeq),
      )
      const told = groupIds(
        this.#rows(
          'told',
          'SELECT id, told, position, crc FROM tells WHERE told > ? ORDER BY told, position',
          afterSeq,
        ),
      )
      const rows = this.#rows('event', `SELECT ${EVENT_SELECT} FROM events WHERE seq > ? ORDER BY seq`, afterSeq)
      return rows.map(([storedSeq, storedType, requested, reason], i): RunEvent => {
        const seq = integer(storedSeq)
        const type = text(storedType)
        if (seq !== afterSeq + 1 + i) throw new RangeError(`event ${afterSeq + 1 + i} is missing`)
        if (type === 'asked') return { seq, type, requested: integer(requested), ids: asked.get(seq) ?? [] }
        if (type === 'told') {
          const ids = told.get(seq)
          if (ids === undefined) throw new RangeError(`event ${seq} tells of no candidate`)
          return { seq, type, ids }
        }
        if (type === 'stopped') return { seq, type, reason: decodeStopReason(reason) }
        throw new RangeError(`event ${seq} is of the unknown type ${show(type)}`)
      })
    })
  }

  candidate(id: CandidateId): Candidate | undefined {
    return this.#read(`candidate ${id}`, () => {
      const row = this.database.first(`SELECT ${CANDIDATE_SELECT} FROM candidates WHERE id = ?`, id)
      return row && decodeCandidate(unseal(row), this.genes)
    })
  }

  evaluation(id: CandidateId): Evaluation | undefined {
    return this.#read(`the evaluation of candidate ${id}`, () => {
      const row = this.database.first(`SELECT id, ${EVALUATION_SELECT}, crc FROM evaluations WHERE id = ?`, id)
      return row && decodeEvaluation(unseal(row).slice(1), this.objectives)
    })
  }

  rungs(id: CandidateId): Evaluation[] {
    const what = `the rungs of candidate ${id}`
    return this.#read(what, () => {
      const rows = this.#rows(
        'rung',
        `SELECT rung, ${EVALUATION_SELECT}, id, crc FROM rungs WHERE id = ? ORDER BY rung`,
        id,
      )
      return rows.map((row, i) => {
        if (row[0] !== i) throw new RangeError(`rung ${i} is missing`)
        return decodeRung(row.slice(1, -1), this.objectives)
      })
    })
  }

  trials(): Trial[] {
    return this.#read('its trials', () => {
      const evaluations = new Map<CandidateId, Evaluation>()
      const rows = this.#rows('evaluation', `SELECT id, ${EVALUATION_SELECT}, crc FROM evaluations ORDER BY id`)
      for (const row of rows)
        evaluations.set(
          integer(row[0]),
          this.#decode(`evaluation ${row[0]}`, () => decodeEvaluation(row.slice(1), this.objectives)),
        )
      return this.#candidates().flatMap(candidate => {
        const evaluation = evaluations.get(candidate.id)
        return evaluation === undefined ? [] : [{ ...candidate, evaluation }]
      })
    })
  }

  candidates(): Candidate[] {
    return this.#read('its candidates', () => this.#candidates())
  }

  /** `undefined` also where the snapshot is damaged: it is a cache of the events. */
  latestSnapshot(): { readonly seq: number; readonly snapshot: Snapshot } | undefined {
    const row = this.#read('its snapshot', () =>
      this.database.first(
        'SELECT seq, CAST(kind AS BLOB), version, CAST(state AS BLOB), crc FROM snapshots ORDER BY seq DESC LIMIT 1',
      ),
    )
    if (row === undefined) return undefined
    try {
      const [seq, kind, version, state] = unseal(row)
      return {
        seq: integer(seq),
        snapshot: { kind: text(kind), version: integer(version), state: parseJson(state) },
      }
    } catch {
      return undefined
    }
  }

  /** By split, then by subject with its numbers in numeric order: never in order of arrival. */
  assessments(): Assessment[] {
    return this.#read('its assessments', () => {
      const rows = this.#rows(
        'assessment',
        `SELECT CAST(subject AS BLOB), CAST(split AS BLOB), CAST(recipe AS BLOB), ${EVALUATION_SELECT}, crc FROM assessments`,
      )
      const found = rows.map(([subject, split, recipe, ...evaluation]) =>
        this.#decode('an assessment', () => ({
          subject: text(subject),
          split: decodeSplit(split),
          recipe: decodeRecipe(recipe),
          evaluation: decodeEvaluation(evaluation, this.objectives),
        })),
      )
      return found.sort(
        (a, b) => SPLITS.indexOf(a.split) - SPLITS.indexOf(b.split) || compareSubjects(a.subject, b.subject),
      )
    })
  }

  fact(name: string): JsonValue | undefined {
    return this.#read(`its fact ${show(name)}`, () => {
      const row = this.database.first(
        'SELECT CAST(name AS BLOB), CAST(json AS BLOB), crc FROM facts WHERE name = ?',
        name,
      )
      return row && parseJson(unseal(row)[1])
    })
  }

  stopReason(): StopReason | undefined {
    return this.#read('its last event', () => {
      const row = this.database.first(`SELECT ${EVENT_SELECT} FROM events ORDER BY seq DESC LIMIT 1`)
      if (row === undefined) return undefined
      const [, type, , reason] = unseal(row)
      return text(type) === 'stopped' ? decodeStopReason(reason) : undefined
    })
  }

  close(): void {
    this.database.close()
  }

  #candidates(): Candidate[] {
    const rows = this.#rows('candidate', `SELECT ${CANDIDATE_SELECT} FROM candidates ORDER BY id`)
    return rows.map((row, i) => {
      if (row[0] !== i) throw new RangeError(`candidate ${i} is missing`)
      return this.#decode(`candidate ${i}`, () => decodeCandidate(row, this.genes))
    })
  }

  /** Rows without their checksums, which are verified. */
  #rows(noun: string, sql: string, ...parameters: number[]): SqlRow[] {
    return this.database.all(sql, ...parameters).map(row => this.#decode(`${noun} ${show(row[0])}`, () => unseal(row)))
  }

  #decode<T>(what: string, decode: () => T): T {
    try {
      return decode()
    } catch (error) {
      throw new RangeError(`${what}: ${explain(error)}`, { cause: error })
    }
  }

  #read<T>(what: string, body: () => T): T {
    return storeErrors('reading', this.folder, what, () => this.database.transaction('read', body))
  }
}

/** A run's SQLite file, for writing. The lock is its to release. */
export class SqliteRun extends SqliteRunReader implements Run {
  readonly #lock: Lock
  #open = true

  constructor(folder: string, database: Sqlite, lock: Lock) {
    super(folder, database)
    this.#lock = lock
  }

  recordAsked(requested: number, candidates: readonly Candidate[]): number {
    for (const { id, genome } of candidates) {
      if (genome.length !== this.genes)
        throw new RangeError(`Expected candidate ${id} to have ${this.genes} genes, got ${genome.length}.`)
    }
    return this.#write('its next candidates', () => {
      const seq = this.#addEvent('asked', requested, null)
      let next = integer(this.database.first('SELECT coalesce(max(id) + 1, 0) FROM candidates')?.[0])
      for (const candidate of candidates) {
        if (candidate.id !== next) throw new RangeError(`Expected candidate ${next} next, got ${candidate.id}.`)
        next++
        this.database.run(
          `INSERT INTO candidates (${CANDIDATE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`,
          ...seal(encodeCandidate(candidate, seq)),
        )
      }
      return seq
    })
  }

  recordEvaluation(id: CandidateId, evaluation: Evaluation): void {
    const columns = seal([id, ...encodeEvaluation(evaluation, this.objectives)])
    this.#write(`the evaluation of candidate ${id}`, () => {
      this.database.run(
        `INSERT INTO evaluations (id, ${EVALUATION_COLUMNS}, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
        ...columns,
      )
      this.database.run('DELETE FROM rungs WHERE id = ?', id)
    })
  }

  recordRung(id: CandidateId, rung: number, evaluation: Evaluation): void {
    const columns = seal([rung, ...encodeRung(evaluation, this.objectives), id])
    this.#write(`a rung of candidate ${id}`, () =>
      this.database.run(
        `INSERT INTO rungs (rung, ${EVALUATION_COLUMNS}, id, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id, rung) DO NOTHING`,
        ...columns,
      ),
    )
  }

  recordTold(ids: readonly CandidateId[]): number {
    return this.#write(`the tell of candidates ${ids.join(', ')}`, () => {
      const seq = this.#addEvent('told', null, null)
      ids.forEach((id, position) => {
        this.database.run(
          'INSERT INTO tells (id, told, position, crc) VALUES (?, ?, ?, ?)',
          ...seal([id, seq, position]),
        )
      })
      return seq
    })
  }

  recordSnapshot(seq: number, snapshot: Snapshot): void {
    const columns = seal([seq, snapshot.kind, snapshot.version, exactJson(snapshot.state)])
    this.#write('a snapshot', () => {
      this.database.run('DELETE FROM snapshots')
      this.database.run('INSERT INTO snapshots (seq, kind, version, state, crc) VALUES (?, ?, ?, ?, ?)', ...columns)
    })
  }

  recordAssessment(assessment: Assessment): void {
    const { subject, split, recipe, evaluation } = assessment
    const columns = seal([subject, split, encodeRecipe(recipe), ...encodeEvaluation(evaluation, this.objectives)])
    this.#write(`the assessment of ${show(subject)}`, () =>
      this.database.run(
        `INSERT INTO assessments (subject, split, recipe, ${EVALUATION_COLUMNS}, crc)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (split, subject) DO NOTHING`,
        ...columns,
      ),
    )
  }

  recordFact(name: string, value: JsonValue): void {
    this.#write(`the fact ${show(name)}`, () =>
      this.database.run(
        'INSERT OR REPLACE INTO facts (name, json, crc) VALUES (?, ?, ?)',
        ...seal([name, exactJson(value)]),
      ),
    )
  }

  recordStopped(reason: StopReason): void {
    this.#write('its end', () => this.#addEvent('stopped', null, encodeStopReason(reason)))
  }

  /** @throws {ConfigError} if it would be lowered. */
  raiseBudget(budget: number): void {
    const current = this.budget
    if (budget === current) return
    if (!Number.isSafeInteger(budget) || budget < current)
      throw new ConfigError(
        `The budget of run ${show(this.folder)} is ${current} evaluations; it cannot become ${budget}.`,
        {
          hint: `Ask for a whole number above ${current}: a budget is only ever raised.`,
        },
      )
    this.#write('its budget', () => {
      const id = integer(this.database.first('SELECT max(id) + 1 FROM budgets')?.[0])
      this.database.run('INSERT INTO budgets (id, budget, crc) VALUES (?, ?, ?)', ...seal([id, budget]))
    })
  }

  /** Leaves `run.sqlite` whole on its own, unless someone is reading it: then the write-ahead file stays, empty. Idempotent. */
  override close(): void {
    if (!this.#open) return
    this.#open = false
    try {
      this.database.exec('PRAGMA busy_timeout = 0')
      settle(this.database)
    } finally {
      super.close()
      this.#lock.release()
    }
  }

  #addEvent(type: 'asked' | 'told' | 'stopped', requested: number | null, reason: string | null): number {
    const seq = integer(this.database.first('SELECT coalesce(max(seq), 0) + 1 FROM events')?.[0])
    this.database.run(
      'INSERT INTO events (seq, type, requested, reason, crc) VALUES (?, ?, ?, ?, ?)',
      ...seal([seq, type, requested, reason]),
    )
    return seq
  }

  #write<T>(what: string, body: () => T): T {
    return storeErrors('writing', this.folder, what, () => this.database.transaction('write', body))
  }
}

/** Out of WAL mode, so that the file stands alone and can be read where nothing can be written; or at least an empty log. */
function settle(database: Sqlite): void {
  for (const sql of ['PRAGMA run.journal_mode = DELETE', 'PRAGMA run.wal_checkpoint(TRUNCATE)']) {
    try {
      database.exec(sql)
      return
    } catch (error) {
      // A reader keeps the log in use, or the disk is full. Nothing is lost: whoever opens the run next reads the log.
      if (!(error instanceof SqlError)) throw error
    }
  }
}

const HINTS: Readonly<Partial<Record<SqlError['problem'], string>>> = {
  busy: 'Another program holds the database locked; close it and try again.',
  'read-only': 'Make the folder and its files writable, or copy the run elsewhere.',
  io: 'Check the disk, then resume: what was recorded before is safe.',
  full: 'Free some disk space, then resume: what was recorded before is safe.',
  'cannot-open': 'Check that the folder may be read and written.',
}

/**
 * Runs `body`; what fails in the database becomes a {@link RunStoreError} that names the run. What fails in `reading` is
 * damage, whatever it is; in `writing` only the database can be damaged, and a broken rule is ours and keeps its stack.
 */
export function storeErrors<T>(kind: 'reading' | 'writing', folder: string, what: string, body: () => T): T {
  try {
    return body()
  } catch (error) {
    if (error instanceof AmalgamError || !(error instanceof Error)) throw error
    const problem = error instanceof SqlError ? error.problem : undefined
    const hint = 'syscall' in error ? HINTS['cannot-open'] : problem && HINTS[problem]
    if (hint !== undefined)
      throw new RunStoreError(`Run ${show(folder)}: ${kind} ${what} failed: ${error.message}.`, { hint, cause: error })
    if (kind === 'writing' && problem !== 'corrupt') throw error
    throw damage(folder, what, error)
  }
}

export function damage(folder: string, what: string, error: unknown): RunStoreError {
  return new RunStoreError(`Run ${show(folder)} is damaged: ${what}: ${explain(error)}.`, {
    hint: 'Copy the folder aside; `sqlite3 run.sqlite .recover` may save what is left.',
    cause: error,
  })
}

/** One line: a schema's first issue with its path, or the message. */
function explain(error: unknown): string {
  if (error instanceof ZodError && error.issues[0] !== undefined) {
    const { path, message } = error.issues[0]
    return path.length === 0 ? message : `${path.join('.')}: ${message}`
  }
  return error instanceof Error ? error.message : String(error)
}

/** Event → the ids of its rows, in the order of the rows; columns id, event, ... */
function groupIds(rows: readonly SqlRow[]): Map<number, CandidateId[]> {
  const groups = new Map<number, CandidateId[]>()
  for (const [id, event] of rows) {
    const group = groups.get(integer(event)) ?? []
    group.push(integer(id))
    groups.set(integer(event), group)
  }
  return groups
}

/** `candidate:2` before `candidate:10`; otherwise by code unit. */
function compareSubjects(a: string, b: string): number {
  const [x, y] = [a.split(/(\d+)/), b.split(/(\d+)/)]
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    if (x[i] === y[i]) continue
    const difference = i % 2 === 1 ? Number(x[i]) - Number(y[i]) : 0 // odd parts are the digits
    return difference || (x[i]! < y[i]! ? -1 : 1)
  }
  return x.length - y.length
}
