import { createParetoArchive } from '../archive/pareto-archive.ts'
import type { Trial } from '../candidate.ts'
import { type Objective, toLoss } from '../objective.ts'

/** A candidate that has been scored on everything and that none dominates: what others are compared with. */
export type Rival = Trial & { readonly evaluation: Extract<Trial['evaluation'], { status: 'scored' }> }

/** Per rung that a candidate reached, its losses over the examples seen by then, shape (m,). */
export type RungLosses = readonly (readonly number[])[]

/** What is known when a candidate is asked for. Its race is decided by this and by its own scores, so that it is a function of the run's order. */
export interface RaceView {
  readonly rivals: readonly Rival[]
  /** The latest candidates told, oldest first. */
  readonly recent: readonly RungLosses[]
}

/** Candidates that a new one is ranked among. A search moves on: beside its beginnings every later candidate would look good. */
const WINDOW = 30

/** The told trials of a run, as far as races need them. */
export class RaceHistory {
  readonly #objectives: readonly Objective[]
  readonly #sizes: readonly (readonly number[])[]
  readonly #archive
  readonly #recent: RungLosses[] = []

  /** @param sizes examples seen after each rung, shape (rungs, m) */
  constructor(objectives: readonly Objective[], sizes: readonly (readonly number[])[]) {
    this.#objectives = objectives
    this.#sizes = sizes
    this.#archive = createParetoArchive(objectives)
  }

  tell(trial: Trial): void {
    const { evaluation } = trial
    if (evaluation.status === 'failed') return
    this.#archive.add(trial)
    const { values, exampleScores = [] } = evaluation
    const reached = this.#sizes.filter(sizes =>
      sizes.every((size, i) => size === 0 || size <= exampleScores[i]!.length),
    )
    this.#recent.push(reached.map(sizes => prefixLosses(values, exampleScores, sizes, this.#objectives)))
    if (this.#recent.length > WINDOW) this.#recent.shift()
  }

  view(): RaceView {
    const isRival = (trial: Trial): trial is Rival => trial.evaluation.status === 'scored'
    return { rivals: [...this.#archive].filter(isRival), recent: [...this.#recent] }
  }
}

/** Losses over the first `sizes` examples of each objective; one without examples has its value. Shape (m,). */
export function prefixLosses(
  values: readonly number[],
  exampleScores: readonly Float32Array[],
  sizes: readonly number[],
  objectives: readonly Objective[],
): readonly number[] {
  return objectives.map((objective, i) => {
    const size = sizes[i]!
    return toLoss(objective, size === 0 ? values[i]! : prefixMean(exampleScores[i]!, size))
  })
}

/** In float64, left to right, as evaluators take means. */
export function prefixMean(scores: Float32Array, size: number): number {
  let sum = 0
  for (let i = 0; i < size; i++) sum += scores[i]!
  return sum / size
}
