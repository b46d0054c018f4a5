import { createParetoArchive } from '../archive/pareto-archive.ts'
import type { CandidateId, Evaluation, Trial } from '../candidate.ts'
import { varianceOfMean } from '../numerics/variance-of-mean.ts'
import { lossesOf, type Objective } from '../objective.ts'
import { type Scalarization, scalarize } from '../scalarization.ts'
import { nextReach } from './reach.ts'

/** A candidate that has been scored on everything and that none dominates: what others are compared with. */
export interface Rival {
  readonly evaluation: Extract<Evaluation, { status: 'scored' }>
  readonly losses: readonly number[] // shape (m,)
  /** Of the losses, as samples of what examples without end would give, shape (m,); 0 where an objective has no examples. */
  readonly standardErrors: readonly number[]
  /** The scalarised loss. */
  readonly loss: number
}

/** What is known when a candidate is asked for. Its race is decided by this and by its own scores, so that it is a function of the run's order. */
export interface RaceView {
  readonly rivals: readonly Rival[]
  /** The rival with the smallest scalarised loss. */
  readonly leader: Rival | undefined
  /** The rung to which candidates are scored unless they are worse with confidence: for all of a generation the same. */
  readonly reach: number
}

/** Candidates whose differences tell how many examples the next ones take. A search moves on: its beginnings differ more. */
const WINDOW = 20
/** Asks after which the reach is looked at again although something is always under way. */
const PATIENCE = 20

/** The told trials of a run, as far as races need them. */
export class RaceHistory {
  readonly #objectives: readonly Objective[]
  readonly #sizes: readonly (readonly number[])[]
  readonly #highest: number
  readonly #scalarization: Scalarization
  readonly #archive
  /** The archive's trials. */
  readonly #rivals = new Map<CandidateId, Rival>()
  /** Scores of the latest candidates told, oldest first. */
  readonly #recent: (readonly Float32Array[])[] = []
  #reach: number
  #underWay = 0
  #sinceChange = 0

  /**
   * @param sizes examples seen after each rung, shape (rungs, m)
   * @param share of the examples, which the reach does not go beyond; 1: every candidate sees everything that is not worse with confidence
   */
  constructor(
    objectives: readonly Objective[],
    scalarization: Scalarization,
    sizes: readonly (readonly number[])[],
    share: number,
  ) {
    this.#objectives = objectives
    this.#scalarization = scalarization
    this.#sizes = sizes
    this.#archive = createParetoArchive(objectives)
    const total = (seen: readonly number[]): number => seen.reduce((sum, size) => sum + size, 0)
    const allowed = sizes.filter(seen => total(seen) <= share * total(sizes.at(-1)!)).length
    this.#highest = Math.max(0, allowed - 1)
    this.#reach = share === 1 ? this.#highest : 0
  }

  /** The view of `count` candidates that are asked for now. */
  asked(count: number): RaceView {
    // Nothing under way: a generation has been told, and the next one begins.
    if (this.#reach < this.#sizes.length - 1 && (this.#underWay === 0 || this.#sinceChange >= PATIENCE)) {
      this.#reach = nextReach(this.#reach, this.#sizes, this.#highest, this.#recent, this.#objectives)
      this.#sinceChange = 0
    }
    this.#underWay += count
    this.#sinceChange += count
    const rivals = [...this.#archive].map(({ id }) => this.#rivals.get(id)!)
    const leader = rivals.reduce<Rival | undefined>((a, b) => (a === undefined || b.loss < a.loss ? b : a), undefined)
    return { rivals, leader, reach: this.#reach }
  }

  tell(trial: Trial): void {
    this.#underWay--
    const { evaluation } = trial
    if (evaluation.status === 'failed') return
    const added = this.#archive.add(trial)
    if (added.status === 'added') {
      for (const id of added.evicted) this.#rivals.delete(id)
      this.#rivals.set(trial.id, this.#rivalOf(evaluation))
    }
    if (evaluation.partial?.stopped === 'dominated') return
    this.#recent.push(evaluation.exampleScores ?? [])
    if (this.#recent.length > WINDOW) this.#recent.shift()
  }

  #rivalOf(evaluation: Rival['evaluation']): Rival {
    const losses = lossesOf(evaluation, this.#objectives)!
    const standardErrors = losses.map((_, i) => {
      const scores = evaluation.exampleScores?.[i] ?? []
      return scores.length < 2 ? 0 : Math.sqrt(varianceOfMean(scores))
    })
    return { evaluation, losses, standardErrors, loss: scalarize(this.#scalarization, losses, this.#objectives) }
  }
}
