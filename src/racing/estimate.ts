import type { Objective } from '../objective.ts'
import { prefixMean } from './prefix-mean.ts'

/** Mean of all N examples as estimated from the first n. */
export interface Estimate {
  readonly value: number
  /** Standard error; 0 where nothing is left to see. */
  readonly standardError: number
}

/** Imagined spread of one more example, in units of the scores' range: few equal scores are no proof that all are equal. */
const PSEUDO_VARIANCE = 0.25

/**
 * The value over all examples from those seen: their mean, moved by what a rival, scored on everything, says of how hard the seen ones
 * are (a control variate: B. D. Ripley, "Stochastic Simulation", 1987, §5.3),
 *
 *     value = mean_n(x) + β (mean_N(r) − mean_n(r)),   β = cov_n(x, r) / var_n(r) in [0, 1],
 *     standard error² = var(x − β r) (1/n − 1/N).
 *
 * @param scores shape (n,), n ≥ 1
 * @param rival whose scores the estimate leans on; `undefined`: none
 * @param total N
 */
export function estimateValue(
  scores: Float32Array,
  rival: Float32Array | undefined,
  total: number,
  { perExample }: Objective,
): Estimate {
  const n = scores.length
  const mean = prefixMean(scores, n)
  if (n >= total) return { value: mean, standardError: 0 }
  let beta = 0
  let shift = 0
  let residuals = 0
  if (rival !== undefined && rival.length >= total) {
    const [theirs, all] = [prefixMean(rival, n), prefixMean(rival, total)]
    let covariance = 0
    let variance = 0
    for (let i = 0; i < n; i++) {
      covariance += (scores[i]! - mean) * (rival[i]! - theirs)
      variance += (rival[i]! - theirs) ** 2
    }
    beta = variance > 0 ? Math.min(1, Math.max(0, covariance / variance)) : 0
    shift = all - theirs
    for (let i = 0; i < n; i++) residuals += (scores[i]! - mean - beta * (rival[i]! - theirs)) ** 2
  } else for (const score of scores) residuals += (score - mean) ** 2
  const { low, high } = perExample ?? {}
  const pseudo = low !== undefined && high !== undefined ? PSEUDO_VARIANCE * (high - low) ** 2 : residuals / n
  const value = mean + beta * shift
  return {
    value: Math.min(high ?? Infinity, Math.max(low ?? -Infinity, value)),
    standardError: Math.sqrt(((residuals + pseudo) / (n + 1)) * (1 / n - 1 / total)),
  }
}
