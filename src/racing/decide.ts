import type { PartialScore } from '../candidate.ts'
import { type Objective, toLoss } from '../objective.ts'
import { type Scalarization, scalarize } from '../scalarization.ts'
import { type Estimate, estimateValue } from './estimate.ts'
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
 * - `outranked`: it has seen as much as the others that were asked for with it, which is what it is ranked by, and it seems neither to have a smaller
 *   scalarised loss than all rivals nor to extend their front. That proves nothing: what was outranked can still be scored to the end before a winner is named.
 *
 * To extend the front it must be better than each rival in some objective by a standard error of the difference, its own and the rival's added in
 * squares: with several objectives nearly everything seems non-dominated by less, and a candidate that is better by less than the luck of the examples is
 * no news. One objective leaves the first reason alone.
 */
export function decideRace(
  standing: Standing,
  view: RaceView,
  objectives: readonly Objective[],
  scalarization: Scalarization,
  { alpha }: Pick<RacingOptions, 'alpha'>,
): PartialScore['stopped'] | undefined {
  const level = alpha / objectives.length
  if (view.rivals.some(rival => isBeatenBy(rival, standing, objectives, level))) return 'dominated'
  if (standing.rung < view.reach) return undefined
  if (view.leader === undefined) return standing.isFirst ? undefined : 'outranked'
  const estimated = estimates(standing, view, objectives)
  const losses = estimated.map(({ value }, i) => toLoss(objectives[i]!, value))
  if (scalarize(scalarization, losses, objectives) < view.leader.loss) return undefined
  const extendsFront = view.rivals.every(rival =>
    losses.some((loss, i) => {
      const error = Math.hypot(estimated[i]!.standardError, rival.standardErrors[i]!)
      return loss < rival.losses[i]! - error
    }),
  )
  return extendsFront ? undefined : 'outranked'
}

/** Values over all examples as far as those seen tell, with the leader's answers for how hard those are, shape (m,). */
export function estimates(
  { values, exampleScores, counts }: Standing,
  view: RaceView,
  objectives: readonly Objective[],
): readonly Estimate[] {
  return objectives.map((objective, i) =>
    counts[i] === 0
      ? { value: values[i]!, standardError: 0 }
      : estimateValue(exampleScores[i]!, view.leader?.evaluation.exampleScores?.[i], counts[i]!, objective),
  )
}

/** Worse than the rival in everything, beyond doubt. */
function isBeatenBy(rival: Rival, standing: Standing, objectives: readonly Objective[], level: number): boolean {
  return objectives.every((objective, i) => {
    const theirs = rival.evaluation.exampleScores?.[i]
    const count = standing.counts[i]!
    if (count === 0) return toLoss(objective, standing.values[i]!) >= rival.losses[i]!
    return theirs !== undefined && isWorse(standing.exampleScores[i]!, theirs, objective, count, level)
  })
}
