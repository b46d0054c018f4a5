import { type Objective, toLoss } from '../objective.ts'
import { asymptoticUpper } from './asymptotic-sequence.ts'
import { empiricalBernsteinUpper } from './empirical-bernstein.ts'
import { mcnemarLogEvidence } from './mcnemar.ts'

/** Below so many examples nothing is called nearly normal. */
const LEAST_NORMAL = 20

/**
 * Whether a candidate is worse than a rival in one objective, judged on the same examples, however often one looks: false with
 * probability at most `alpha` where it is not. Scores of 0 and 1: McNemar's e-process. Scores with limits: empirical Bernstein,
 * without replacement. Others: an asymptotic confidence sequence.
 *
 * @param candidate its scores, shape (n,): a prefix of the examples
 * @param rival its scores of the same examples and perhaps more
 * @param total examples there are
 */
export function isWorse(
  candidate: Float32Array,
  rival: Float32Array,
  objective: Objective,
  total: number,
  alpha: number,
): boolean {
  const { low, high } = objective.perExample ?? {}
  if (low === 0 && high === 1 && isBinary(candidate) && isBinary(rival.subarray(0, candidate.length))) {
    let rivals = 0
    let own = 0
    candidate.forEach((score, i) => {
      if (score === rival[i]) return
      if (toLoss(objective, score) < toLoss(objective, rival[i]!)) own++
      else rivals++
    })
    return mcnemarLogEvidence(rivals, own) >= Math.log(1 / alpha)
  }
  const gains = Float64Array.from(candidate, (score, i) => toLoss(objective, rival[i]!) - toLoss(objective, score))
  if (low !== undefined && high !== undefined)
    return empiricalBernsteinUpper(gains, low - high, high - low, total, alpha) < 0
  return gains.length >= LEAST_NORMAL && asymptoticUpper(gains, alpha, total / 2) < 0
}

export function isBinary(scores: Float32Array): boolean {
  return scores.every(score => score === 0 || score === 1)
}
