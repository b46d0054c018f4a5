import type { PartialScore } from '../candidate.ts'
import { lossesOf, type Objective, toLoss } from '../objective.ts'
import { type Estimate, estimateValue, leaningOn } from './estimate.ts'
import type { RaceView, Rival } from './history.ts'
import { isWorse } from './paired-test.ts'

/** How a run races its candidates. */
export interface RacingOptions {
  /** Each rung has this many times as many examples as the one before. */
  readonly eta: number
  /** Chance of stopping, as worse than a rival, a candidate that is not. */
  readonly alpha: number
  /** Of the examples, what a candidate sees at most unless it may be the best so far; 1: all of them, unless it is worse with confidence. */
  readonly share: number
}

/** Where a candidate stands after a rung. */
export interface Standing {
  readonly rung: number
  /** Shape (m,): values of objectives without examples; the others are not read. */
  readonly values: readonly number[]
  /** Scores of the examples seen, objective by objective. */
  readonly exampleScores: readonly Float32Array[]
  /** Examples there are, shape (m,). */
  readonly counts: readonly number[]
  /** It is the one that is scored on everything while there is no rival to be compared with. */
  readonly isFirst: boolean
}

/**
 * Whether a candidate that is not yet scored on everything is to go on (`undefined`), or why it stops.
 *
 * - `dominated`: some rival is better in every objective, each at level α / m: the candidate's upper confidence corner lies below the rival. An
 *   objective without examples is compared as it is.
 * - `outranked`: it has seen as much as the others that were asked for with it, which is what it is ranked by, and some rival seems at least as good
 *   in everything. That proves nothing: what was outranked can still be scored to the end before a winner is named.
 */
export function decideRace(
  standing: Standing,
  view: RaceView,
  objectives: readonly Objective[],
  options: RacingOptions,
): PartialScore['stopped'] | undefined {
  const level = options.alpha / objectives.length
  if (view.rivals.some(rival => isBeatenBy(rival, standing, objectives, level))) return 'dominated'
  if (standing.rung < view.reach) return undefined
  if (view.rivals.length === 0) return standing.isFirst ? undefined : 'outranked'
  const losses = estimates(standing, view, objectives).map(({ value }, i) => toLoss(objectives[i]!, value))
  const leads = view.rivals.every(({ evaluation }) => {
    const theirs = lossesOf(evaluation, objectives)!
    return losses.some((loss, i) => loss < theirs[i]!)
  })
  return leads ? undefined : 'outranked'
}

/** Values over all examples as far as those seen tell, shape (m,). */
export function estimates(
  { values, exampleScores, counts }: Standing,
  view: RaceView,
  objectives: readonly Objective[],
): readonly Estimate[] {
  return objectives.map((objective, i) =>
    counts[i] === 0
      ? { value: values[i]!, standardError: 0 }
      : estimateValue(exampleScores[i]!, leaningOn(view.rivals, i), counts[i]!, objective),
  )
}

/** Worse than the rival in everything, beyond doubt. */
function isBeatenBy(rival: Rival, standing: Standing, objectives: readonly Objective[], level: number): boolean {
  return objectives.every((objective, i) => {
    const theirs = rival.evaluation.exampleScores?.[i]
    const count = standing.counts[i]!
    if (count === 0) return toLoss(objective, standing.values[i]!) >= toLoss(objective, rival.evaluation.values[i]!)
    return theirs !== undefined && isWorse(standing.exampleScores[i]!, theirs, objective, count, level)
  })
}
