import { dominates } from '../archive/dominance.ts'
import { type Evaluation, isWhole } from '../candidate.ts'
import { lossesOf, type Objective } from '../objective.ts'
import { type Scalarization, scalarize } from '../scalarization.ts'

/** Standard errors by which a candidate that was stopped early may be better than it seems. */
const REACH = 2

/**
 * Candidates that were outranked early and may belong to the front all the same: with every estimated loss lowered by two standard
 * errors, none that was scored on everything dominates them. Those that were found worse beyond doubt are not among them.
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
  const whole = evaluations.filter(isWhole).map(evaluation => lossesOf(evaluation, objectives)!)
  return evaluations
    .flatMap((evaluation, position) => {
      if (evaluation.status === 'failed' || evaluation.partial?.stopped !== 'outranked') return []
      const { standardErrors } = evaluation.partial
      const hoped = lossesOf(evaluation, objectives)!.map((loss, i) => loss - REACH * standardErrors[i]!)
      if (whole.some(losses => dominates(losses, hoped))) return []
      return [{ position, loss: scalarize(scalarization, hoped, objectives) }]
    })
    .sort((a, b) => a.loss - b.loss || a.position - b.position)
    .slice(0, limit)
    .map(({ position }) => position)
}
