/**
 * Where to start when trials of earlier runs are known: the Gaussian around the best of them.
 *
 * Reference: M. Nomura, S. Watanabe, Y. Akimoto, Y. Ozaki, M. Onishi, "Warm Starting CMA-ES for Hyperparameter Optimization", AAAI 2021
 * (arXiv:2012.06932), with γ = α = 0.1: m and Cov are those of the best γ N points, Σ = α² I + Cov, and σ² = det(Σ)^{1/n},
 * C = Σ / σ². The determinant is taken as a logarithm from a Cholesky factor: for n > 150 it is smaller than any float64.
 */
export interface PromisingDistribution {
  readonly mean: Float64Array
  readonly sigma: number
  /** C of determinant 1: shape (n, n), or its diagonal (n,). */
  readonly covariance: Float64Array
}

/** Fewer scored points than this say nothing about where is best. */
const LEAST_POINTS = 10
/** γ, and how many points that must leave for a covariance. */
const BEST_SHARE = 0.1
const LEAST_BEST = 3
/** α, in widths of the genes' ranges. */
const PRIOR_DEVIATION = 0.1

/** How many of N scored points count, or `undefined` if they are too few for a warm start. */
export function promisingCount(points: number): number | undefined {
  const count = Math.floor(BEST_SHARE * points)
  return points >= LEAST_POINTS && count >= LEAST_BEST ? count : undefined
}

/** @param points the best points, shape (k,) of (n,), k >= 1, in widths of the genes' ranges. */
export function promisingDistribution(
  points: readonly Float64Array[],
  form: 'full' | 'diagonal',
): PromisingDistribution {
  const n = points[0]!.length
  const mean = new Float64Array(n)
  for (const point of points) for (let i = 0; i < n; i++) mean[i]! += point[i]! / points.length
  const moment = (i: number, j: number): number =>
    points.reduce((sum, point) => sum + (point[i]! - mean[i]!) * (point[j]! - mean[j]!), 0) / points.length
  if (form === 'diagonal') {
    const variances = mean.map((_, i) => PRIOR_DEVIATION ** 2 + moment(i, i))
    const sigma = Math.exp(variances.reduce((sum, v) => sum + Math.log(v), 0) / (2 * n))
    return { mean, sigma, covariance: variances.map(v => v / sigma ** 2) }
  }
  const covariance = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) covariance[i * n + j] = moment(i, j) + (i === j ? PRIOR_DEVIATION ** 2 : 0)
  }
  const sigma = Math.exp(logDeterminant(covariance, n) / (2 * n))
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) covariance[j * n + i] = covariance[i * n + j]! /= sigma ** 2
  }
  return { mean, sigma, covariance }
}

/** ln det of a positive definite matrix, lower triangle read: twice the sum of the logarithms of its Cholesky factor's diagonal. */
function logDeterminant(matrix: Float64Array, n: number): number {
  const factor = matrix.slice()
  let sum = 0
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let entry = factor[i * n + j]!
      for (let k = 0; k < j; k++) entry -= factor[i * n + k]! * factor[j * n + k]!
      factor[i * n + j] = i === j ? Math.sqrt(entry) : entry / factor[j * n + j]!
    }
    sum += 2 * Math.log(factor[i * n + i]!)
  }
  return sum
}
