import type { Archive } from './archive/archive.ts'
import { type Candidate, type CandidateId, type Evaluation, isWhole, type StopReason, type Trial } from './candidate.ts'
import type { EvaluationJob } from './evaluation/job.ts'
import type { Executor } from './executors/executor.ts'
import { lossesOf, type Objective } from './objective.ts'
import { Races, type RacingOptions } from './race.ts'
import { isRepeatable, recipeDigest, reused } from './recipe-digest.ts'
import type { Run } from './runs/run-store.ts'
import { type Scalarization, scalarize } from './scalarization.ts'
import type { SearchSpace } from './space/search-space.ts'
import type { Strategy } from './strategies/strategy.ts'
import { toToldTrial } from './told-trial.ts'

/**
 * `ordered`: results are told in ask order inside a window as wide as the slots, so that a run is a function of
 * (config, seed, slots). `async`: in order of arrival; nobody waits, and the recorded order is what a replay follows.
 */
export type SearchMode = 'ordered' | 'async'

/** Asked but not told when the run was last closed. */
export interface Pending {
  readonly candidate: Candidate
  /** Recorded before the run was closed: it is not scored again. */
  readonly evaluation: Evaluation | undefined
}

export interface SearchParts {
  readonly space: SearchSpace
  readonly objectives: readonly Objective[]
  readonly strategy: Strategy
  readonly executor: Executor
  readonly archive: Archive
  readonly run: Run
  /** Candidates to ask for, those of earlier processes included. */
  readonly budget: number
  /** Candidates asked and not yet told, at most. */
  readonly slots: number
  /** Default `ordered`. */
  readonly mode?: SearchMode
  /** By id. [] for a new run. */
  readonly pending: readonly Pending[]
  /** Default: the candidate's recipe on the search split. */
  readonly toJob?: (candidate: Candidate) => EvaluationJob
  /** For the best loss that progress shows, and for races. Default `worst`. */
  readonly scalarization?: Scalarization
  /** Absent: every candidate is scored on all examples. */
  readonly racing?: RacingOptions | undefined
  /** After an abort, how long what is running may take to be recorded, milliseconds. Default 10,000. */
  readonly graceMs?: number
  /** Tells between snapshots, which only shorten a replay. Default 50. */
  readonly snapshotEvery?: number
  readonly onProgress?: ((progress: SearchProgress) => void) | undefined
  /** New candidates, recorded, before they are evaluated. */
  readonly onAsked?: ((candidates: readonly Candidate[]) => void) | undefined
}

/** State of a search after a tell. */
export interface SearchProgress {
  readonly done: number // evaluations told, those of earlier processes included
  readonly total: number // the budget
  readonly failed: number
  /** The smallest scalarised loss so far. */
  readonly best: number | undefined
  /** Computed when it is read. */
  readonly hypervolume: number
}

const GRACE_MS = 10_000
const SNAPSHOT_EVERY = 50

/**
 * Asks, submits, records, tells, until the strategy stops, the budget is spent or `signal` fires. Every step is recorded
 * before strategy or archive learn of it, so that a run can be resumed from any point at which its process may die.
 *
 * A recipe that the run has scored before is not scored again; the candidate counts all the same.
 *
 * @returns why the search ended, recorded; `infeasible` where every evaluation failed. `interrupted` is not recorded: the run
 *   can be resumed as if it had not been stopped.
 * @throws {ExecutorError} if the executor is broken; {RunStoreError} if something cannot be recorded.
 */
export async function search(parts: SearchParts, signal: AbortSignal): Promise<StopReason> {
  const loop = new SearchLoop(parts, signal)
  try {
    return await loop.run()
  } finally {
    loop.close()
  }
}

/** A candidate between ask and tell. */
interface Outstanding {
  readonly candidate: Candidate
  evaluation: Evaluation | undefined
  /** Settles when `evaluation` is recorded; never rejects: a failure of the executor ends the loop. */
  arrival: Promise<void>
}

class SearchLoop {
  readonly #parts: SearchParts
  readonly #signal: AbortSignal
  /** Ends what is still running when the loop is left. */
  readonly #cancel = new AbortController()
  /** In ask order. */
  readonly #window = new Map<CandidateId, Outstanding>()
  /** Ids in the window that can be told, in order of arrival. */
  readonly #arrived: CandidateId[] = []
  /** Recipe digest → the first candidate that had the recipe. */
  readonly #firstWith = new Map<string, CandidateId>()
  readonly #races: Races | undefined
  readonly #onAbort = (): void => this.#wake()
  #wake: () => void = () => {}
  #broken: { readonly error: unknown } | undefined
  #closed = false
  #asked: number
  #told: number
  #failed: number
  #lastFailure = ''
  #best: number | undefined

  constructor(parts: SearchParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
    signal.addEventListener('abort', this.#onAbort)

    const pending = new Set(parts.pending.map(({ candidate }) => candidate.id))
    this.#asked = parts.run.candidates().length
    this.#told = this.#asked - pending.size
    this.#failed = 0
    const trials = parts.run.trials()
    for (const trial of trials) {
      this.#remember(trial, this.#jobOf(trial))
      if (!pending.has(trial.id)) this.#count(trial)
    }
    this.#races = this.#startRaces(trials)
  }

  async run(): Promise<StopReason> {
    for (const { candidate, evaluation } of this.#parts.pending) this.#start(candidate, evaluation)
    for (;;) {
      if (this.#signal.aborted) return this.#interrupted()
      this.#fill()
      if (this.#window.size === 0) return this.#stopped()
      const trial = await this.#next()
      if (trial === undefined) return this.#interrupted()
      this.#tell(trial)
    }
  }

  /** Nothing is recorded after this. */
  close(): void {
    this.#closed = true
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#cancel.abort()
  }

  /** Asks until the window is full or the strategy has no more: a second ask then changes nothing, as it would after a resume. */
  #fill(): void {
    const { strategy, run, budget, slots } = this.#parts
    while (strategy.stopReason() === undefined) {
      const room = Math.min(slots - this.#window.size, budget - this.#asked)
      if (room <= 0) return
      const proposals = strategy.ask(room)
      if (proposals.length === 0) return
      if (proposals.length > room)
        throw new RangeError(
          `Expected at most ${room} proposals from strategy ${strategy.kind}, got ${proposals.length}.`,
        )
      const candidates = proposals.map(
        ({ genome, parents, memo }, i): Candidate => ({
          id: this.#asked + i,
          genome: Float64Array.from(genome),
          parents: parents ?? [],
          memo: memo ?? null,
        }),
      )
      run.recordAsked(room, candidates)
      this.#asked += candidates.length
      this.#races?.asked(candidates.map(({ id }) => id))
      this.#parts.onAsked?.(candidates)
      for (const candidate of candidates) this.#start(candidate, undefined)
    }
  }

  #start(candidate: Candidate, evaluation: Evaluation | undefined): void {
    const outstanding: Outstanding = { candidate, evaluation, arrival: Promise.resolve() }
    this.#window.set(candidate.id, outstanding)
    if (evaluation !== undefined) {
      this.#arrived.push(candidate.id)
      return
    }
    outstanding.arrival = this.#evaluate(candidate).then(
      found => found && this.#arrive(outstanding, found),
      error => this.#break(error),
    )
  }

  /** `undefined`: the search is to stop, and what is recorded of the candidate so far is all there will be. */
  async #evaluate(candidate: Candidate): Promise<Evaluation | undefined> {
    const job = this.#jobOf(candidate)
    const first = this.#remember(candidate, job)
    if (first !== candidate.id) {
      await this.#window.get(first)?.arrival
      const known = this.#parts.run.evaluation(first)
      if (known !== undefined && isRepeatable(known)) return reused(known)
    }
    const cancel = this.#cancel.signal
    if (this.#races !== undefined) return this.#races.evaluate(candidate.id, job, this.#signal, cancel)
    return this.#parts.executor.submit(job, cancel)
  }

  #arrive(outstanding: Outstanding, evaluation: Evaluation): void {
    if (this.#closed) return
    try {
      this.#parts.run.recordEvaluation(outstanding.candidate.id, evaluation)
    } catch (error) {
      this.#break(error)
      return
    }
    outstanding.evaluation = evaluation
    this.#arrived.push(outstanding.candidate.id)
    this.#wake()
  }

  #break(error: unknown): void {
    this.#broken ??= { error }
    this.#wake()
  }

  /** The trial to tell next, taken out of the window; `undefined` once the search is to stop. */
  async #next(): Promise<Trial | undefined> {
    for (;;) {
      if (this.#broken !== undefined) throw this.#broken.error
      if (this.#signal.aborted) return undefined
      const [oldest] = this.#window.keys()
      const id = this.#parts.mode === 'async' ? this.#arrived[0] : oldest
      const evaluation = id === undefined ? undefined : this.#window.get(id)?.evaluation
      if (id !== undefined && evaluation !== undefined) {
        const { candidate } = this.#window.get(id)!
        this.#window.delete(id)
        this.#arrived.splice(this.#arrived.indexOf(id), 1)
        return { ...candidate, evaluation }
      }
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  #tell(trial: Trial): void {
    const { run, archive, strategy, objectives, onProgress, budget, snapshotEvery = SNAPSHOT_EVERY } = this.#parts
    const seq = run.recordTold([trial.id])
    archive.add(trial)
    this.#races?.told(trial)
    strategy.tell([toToldTrial(trial, objectives)])
    this.#told++
    this.#count(trial)
    if (this.#told % snapshotEvery === 0) run.recordSnapshot(seq, strategy.snapshot())
    onProgress?.({
      done: this.#told,
      total: budget,
      failed: this.#failed,
      best: this.#best,
      get hypervolume() {
        return archive.hypervolume()
      },
    })
  }

  #stopped(): StopReason {
    const { run, strategy, budget } = this.#parts
    const spent = { criterion: 'budget', detail: `${this.#asked} evaluations` }
    const stalled = { criterion: 'stalled', detail: 'the strategy asked for nothing although nothing was under way' }
    const reason = strategy.stopReason() ?? (this.#asked >= budget ? spent : stalled)
    const final: StopReason =
      this.#told > 0 && this.#failed === this.#told
        ? {
            criterion: 'infeasible',
            detail: `all ${this.#told} evaluations failed, the last one (${this.#lastFailure}); stopped by ${reason.criterion}: ${reason.detail}`,
          }
        : reason
    // Resumed after its end, with nothing left to do: it has been said.
    const said = run.stopReason()
    if (said?.criterion !== final.criterion || said.detail !== final.detail) run.recordStopped(final)
    return final
  }

  /** Waits for what is running, so that it is recorded and need not run again; tells nothing. */
  async #interrupted(): Promise<StopReason> {
    const { graceMs = GRACE_MS, budget } = this.#parts
    let timer: NodeJS.Timeout | undefined
    const grace = new Promise<void>(resolve => {
      timer = setTimeout(resolve, graceMs)
    })
    await Promise.race([grace, Promise.all([...this.#window.values()].map(({ arrival }) => arrival))])
    clearTimeout(timer)
    if (this.#broken !== undefined) throw this.#broken.error
    return { criterion: 'interrupted', detail: `${this.#told} of ${budget} evaluations done` }
  }

  #count(trial: Trial): void {
    const { objectives, scalarization = 'worst' } = this.#parts
    const losses = lossesOf(trial.evaluation, objectives)
    if (losses !== undefined) {
      if (!isWhole(trial.evaluation)) return
      const loss = scalarize(scalarization, losses, objectives)
      if (this.#best === undefined || loss < this.#best) this.#best = loss
    } else if (trial.evaluation.status === 'failed') {
      this.#failed++
      this.#lastFailure = `${trial.evaluation.kind}: ${trial.evaluation.reason}`
    }
  }

  /** Races as they stood when the run was last closed. */
  #startRaces(trials: readonly Trial[]): Races | undefined {
    const { racing, run, executor, objectives, scalarization = 'worst' } = this.#parts
    if (racing === undefined) return undefined
    const races = new Races({ run, executor, objectives, scalarization, options: racing })
    const byId = new Map(trials.map(trial => [trial.id, trial]))
    for (const event of run.events()) {
      if (event.type === 'asked') races.asked(event.ids)
      else if (event.type === 'told') for (const id of event.ids) races.told(byId.get(id)!)
    }
    return races
  }

  /** The first candidate with the same recipe: this one, if there is none before it. */
  #remember({ id }: Candidate, job: EvaluationJob): CandidateId {
    const digest = recipeDigest(job.recipe)
    const first = this.#firstWith.get(digest)
    if (first === undefined) this.#firstWith.set(digest, id)
    return first ?? id
  }

  #jobOf(candidate: Candidate): EvaluationJob {
    const { toJob, space } = this.#parts
    if (toJob !== undefined) return toJob(candidate)
    return { label: `candidate ${candidate.id}`, recipe: space.decode(candidate.genome), split: 'search' }
  }
}
