import type { Evaluation } from './candidate.ts'

/** One thing to optimise. Strategies and archive see losses only: the raw value, negated where larger is better. */
export interface Objective {
  readonly name: string
  readonly direction: 'minimize' | 'maximize' // as reported
  readonly unit: string // "accuracy, 0..1", "nats/example", "bytes"
  /** Worst acceptable value, raw direction: the objective's coordinate of the hypervolume reference point. */
  readonly reference: number
  /** Best possible value, raw direction, where there is one. Normalises scalarisations: 0 at `ideal`, 1 at `reference`. */
  readonly ideal?: number
  /**
   * There where the value is the mean of the examples' scores, so that some of them estimate it: the range that each score lies in,
   * as far as there is one. Absent: the value is something else (a perplexity, a size), or has no examples.
   */
  readonly perExample?: { readonly low?: number; readonly high?: number }
  /** The value is measured, and another each time: a run that optimises it cannot be repeated bit by bit, and it is never taken from a cache. */
  readonly isMeasured?: true
  /** The value follows from the weights alone: it has no examples, and no error. */
  readonly isExact?: true
}

/** Raw value → loss (minimised). The only sign flip of the project. Its own inverse. */
export function toLoss(objective: Objective, value: number): number {
  return objective.direction === 'minimize' ? value : -value
}

/** Raw values of an evaluation, shape (m,) → losses, shape (m,); `undefined` for a failed evaluation. */
export function lossesOf(evaluation: Evaluation, objectives: readonly Objective[]): readonly number[] | undefined {
  if (evaluation.status === 'failed') return undefined
  return objectives.map((objective, i) => toLoss(objective, evaluation.values[i]!))
}

/** The hypervolume reference point in loss space, shape (m,). */
export function referencePoint(objectives: readonly Objective[]): readonly number[] {
  return objectives.map(objective => toLoss(objective, objective.reference))
}
