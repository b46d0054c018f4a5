import { varianceOfMean } from '../numerics/variance-of-mean.ts'
import { type Objective, toLoss } from '../objective.ts'
import type { ToldTrial } from './strategy.ts'

/** Share of the value by which a mean of float32 scores may miss it by rounding alone. */
const ROUNDING = 1e-5

/**
 * Variance of each loss as an estimate from the trial's examples; `undefined` where it is not known: no scores of single examples, or
 * a loss that is not their mean. Shape (m,). A loss that was estimated from some of the examples has its standard error.
 */
export function lossVariances(trial: ToldTrial, objectives: readonly Objective[]): (number | undefined)[] {
  if (trial.standardErrors !== undefined)
    return trial.standardErrors.map(error => (error > 0 ? error * error : undefined))
  return objectives.map((objective, i) => {
    const scores = trial.exampleScores?.[i]
    const loss = trial.losses?.[i]
    if (scores === undefined || scores.length < 2 || loss === undefined) return undefined
    const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length
    const value = toLoss(objective, loss)
    if (!(Math.abs(mean - value) <= ROUNDING * Math.max(1, Math.abs(value)))) return undefined
    return varianceOfMean(scores)
  })
}
