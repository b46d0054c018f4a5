import { type Objective, toLoss } from '../../objective.ts'
import { type Scalarization, scalarize } from '../../scalarization.ts'
import type { ToldTrial } from '../strategy.ts'

/** What the scores of single examples say about a scalarised loss. */
export interface LossResolution {
  /**
   * The smallest step the loss can make when every objective is the share of N right answers: losses lie on a grid, and differences
   * below half a step are rounding. 0: no grid.
   */
  readonly step: number
  /** Squared standard error of the loss as an estimate over all examples there could be; `undefined` without scores. */
  readonly variance: number | undefined
}

/** Of a trial whose objectives are means of example scores; for any other, neither grid nor variance. */
export function lossResolution(
  trial: ToldTrial,
  objectives: readonly Objective[],
  scalarization: Scalarization,
): LossResolution {
  const unknown = { step: 0, variance: undefined }
  const { losses, exampleScores } = trial
  if (losses === undefined || exampleScores?.length !== objectives.length) return unknown
  const loss = scalarize(scalarization, losses, objectives)
  let step = Number.POSITIVE_INFINITY
  let variance = 0
  for (const [i, scores] of exampleScores.entries()) {
    const count = scores.length
    const mean = scores.reduce((sum, score) => sum + score, 0) / count
    const value = toLoss(objectives[i]!, losses[i]!)
    if (count === 0 || !(Math.abs(value - mean) <= 1e-5 * Math.max(1, Math.abs(value)))) return unknown
    const effect = (change: number): number =>
      scalarize(
        scalarization,
        losses.map((l, j) => (j === i ? l - change : l)),
        objectives,
      ) - loss
    if (scores.every(score => score === 0 || score === 1)) step = Math.min(step, Math.abs(effect(1 / count)))
    else step = 0
    const squares = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0)
    variance += effect(Math.sqrt(squares) / count) ** 2
  }
  return { step: Number.isFinite(step) ? step : 0, variance }
}
