import { dominates } from '../archive/dominance.ts'
import type { PartialScore } from '../candidate.ts'
import { type Objective, toLoss } from '../objective.ts'
import { type Scalarization, scalarize } from '../scalarization.ts'
import type { RaceView, Rival } from './history.ts'
import { isWorse } from './paired-test.ts'

/** How a run races its candidates. */
export interface RacingOptions {
  /** Each rung has this many times as many examples as the one before; one candidate in so many goes on. */
  readonly eta: number
  /** Chance of stopping, as worse than a rival, a candidate that is not. */
  readonly alpha: number
  /** Whether candidates that are outranked on their rung are stopped as well, without proof that they are worse. */
  readonly halving: boolean
}

/** Where a candidate stands after a rung. */
export interface Standing {
  readonly rung: number
  /** Shape (m,): values of objectives without examples; the others are not read. */
  readonly values: readonly number[]
  /** Scores of the examples seen, objective by objective. */
  readonly exampleScores: readonly Float32Array[]
  /** Losses over what was seen, shape (m,). */
  readonly losses: readonly number[]
  /** Examples there are, shape (m,). */
  readonly counts: readonly number[]
}

/**
 * Whether a candidate that is not yet scored on everything is to go on (`undefined`), or why it stops.
 *
 * - `dominated`: some rival is better in every objective, each at level α / m: the candidate's upper confidence corner lies below the rival. An
 *   objective without examples is compared as it is.
 * - `outranked` (asynchronous successive halving; L. Li et al., MLSys 2020, algorithm 2): on its rung it is not in the best 1/η of the recent candidates that
 *   came as far, by the scalarised loss, and some of them dominate it. Later candidates are not waited for, and nothing is promoted after the
 *   fact: what was outranked can still be scored to the end before a winner is named.
 */
export function decideRace(
  standing: Standing,
  view: RaceView,
  objectives: readonly Objective[],
  scalarization: Scalarization,
  options: RacingOptions,
): PartialScore['stopped'] | undefined {
  const level = options.alpha / objectives.length
  if (view.rivals.some(rival => isBeatenBy(rival, standing, objectives, level))) return 'dominated'
  if (!options.halving || view.rivals.length === 0) return undefined
  const others = view.recent.map(losses => losses[standing.rung]).filter(losses => losses !== undefined)
  const places = Math.floor((others.length + 1) / options.eta)
  if (places === 0) return undefined // too few to rank
  const own = scalarize(scalarization, standing.losses, objectives)
  const ahead = others.filter(losses => scalarize(scalarization, losses, objectives) < own).length
  if (ahead < places || !others.some(losses => dominates(losses, standing.losses))) return undefined
  return 'outranked'
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
