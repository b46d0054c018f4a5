import { createParetoArchive } from '../archive/pareto-archive.ts'
import type { Trial } from '../candidate.ts'
import type { Objective } from '../objective.ts'
import { nextReach } from './reach.ts'

/** A candidate that has been scored on everything and that none dominates: what others are compared with. */
export type Rival = Trial & { readonly evaluation: Extract<Trial['evaluation'], { status: 'scored' }> }

/** What is known when a candidate is asked for. Its race is decided by this and by its own scores, so that it is a function of the run's order. */
export interface RaceView {
  readonly rivals: readonly Rival[]
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
  readonly #archive
  /** Scores of the latest candidates told, oldest first. */
  readonly #recent: (readonly Float32Array[])[] = []
  #reach: number
  #underWay = 0
  #sinceChange = 0

  /**
   * @param sizes examples seen after each rung, shape (rungs, m)
   * @param share of the examples, which the reach does not go beyond; 1: every candidate sees everything that is not worse with confidence
   */
  constructor(objectives: readonly Objective[], sizes: readonly (readonly number[])[], share: number) {
    this.#objectives = objectives
    this.#sizes = sizes
    this.#archive = createParetoArchive(objectives)
    const all = Math.max(...sizes.at(-1)!)
    const allowed = sizes.filter(seen => Math.max(...seen) <= share * all).length
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
    const isRival = (trial: Trial): trial is Rival => trial.evaluation.status === 'scored'
    return { rivals: [...this.#archive].filter(isRival), reach: this.#reach }
  }

  tell(trial: Trial): void {
    this.#underWay--
    const { evaluation } = trial
    if (evaluation.status === 'failed') return
    this.#archive.add(trial)
    if (evaluation.partial?.stopped === 'dominated') return
    this.#recent.push(evaluation.exampleScores ?? [])
    if (this.#recent.length > WINDOW) this.#recent.shift()
  }
}
