import { type Evaluation, isWhole } from '../candidate.ts'
import { lossesOf, type Objective } from '../objective.ts'
import { type Scalarization, scalarize, scalarVariance } from '../scalarization.ts'

/** Standard errors by which a candidate that was stopped early may be better than it seems. */
const REACH = 2
/** Of all candidates, how many are scored to the end at most before a winner is named. */
export const PROMISING_SHARE = 1 / 16
/** So many at a time: what the first ones score tells whether the next are still promising. */
export const PROMISING_WAVE = 4

/**
 * Candidates that were outranked early and may be the best all the same: two standard errors below its estimate their scalarised loss is smaller than that of
 * each that was scored on everything. Those that were found worse beyond doubt are not among them.
 *
 * @param evaluations of all candidates
 * @returns positions in `evaluations`, most promising first, `limit` at most
 */
export function promising(
  evaluations: readonly Evaluation[],
  objectives: readonly Objective[],
  scalarization: Scalarization,
  limit: number,
): number[] {
  const best = evaluations
    .filter(isWhole)
    .reduce(
      (least, evaluation) => Math.min(least, scalarize(scalarization, lossesOf(evaluation, objectives)!, objectives)),
      Infinity,
    )
  return evaluations
    .flatMap((evaluation, position) => {
      if (evaluation.status === 'failed' || evaluation.partial?.stopped !== 'outranked') return []
      const losses = lossesOf(evaluation, objectives)!
      const variances = evaluation.partial.standardErrors.map(error => error * error)
      const error = Math.sqrt(scalarVariance(scalarization, losses, variances, objectives))
      const hoped = scalarize(scalarization, losses, objectives) - REACH * error
      return hoped < best ? [{ position, loss: hoped }] : []
    })
    .sort((a, b) => a.loss - b.loss || a.position - b.position)
    .slice(0, limit)
    .map(({ position }) => position)
}
