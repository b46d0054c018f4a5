import { type Objective, toLoss } from '../../objective.ts'
import { type Scalarization, scalarize } from '../../scalarization.ts'
import type { ToldTrial } from '../strategy.ts'

/**
 * The smallest step a scalarised loss can make where every objective is the share of right answers among N: losses then lie on a grid,
 * and differences below half a step are rounding. 0 unless the trial's example scores show that it is so.
 */
export function lossStep(
  { losses, exampleScores }: ToldTrial,
  objectives: readonly Objective[],
  scalarization: Scalarization,
): number {
  if (losses === undefined || exampleScores?.length !== objectives.length) return 0
  const loss = scalarize(scalarization, losses, objectives)
  let smallest = Number.POSITIVE_INFINITY
  for (const [i, scores] of exampleScores.entries()) {
    if (scores.length === 0 || !scores.every(score => score === 0 || score === 1)) return 0
    const right = scores.reduce((sum, score) => sum + score, 0)
    if (Math.abs(toLoss(objectives[i]!, losses[i]!) - right / scores.length) > 1e-6) return 0
    const better = losses.map((value, j) => (j === i ? value - 1 / scores.length : value))
    smallest = Math.min(smallest, Math.abs(scalarize(scalarization, better, objectives) - loss))
  }
  return smallest
}
