import { inverseMillsRatio, log1mexp, logH, logHSlope, normalLogCdf } from '../../../numerics/normal.ts'
import type { Acquisition } from '../acquisition.ts'
import type { Gp } from '../gp.ts'
import type { Boxes } from './boxes.ts'

/** A side thinner than this, in standard deviations and relative to its distance, is taken as a line: a difference would lose its digits. */
const THIN = 1e-4

/**
 * Logarithm of the expected hypervolume improvement for independent Gaussian objectives: exact, with a gradient that does not vanish where the
 * improvement itself underflows.
 *
 *     EHVI = Σ_k Π_j [ψ(u_kj) - ψ(l_kj)],   ψ(a) = E max(a - Y_j, 0) = σ_j h((a - μ_j) / σ_j),   h(t) = φ(t) + t Φ(t)
 *
 * over the boxes [l_k, u_k] that the front leaves (K. Yang, M. Emmerich, A. Deutz, T. Bäck, J. Global Optimization 75, 2019, eq. 23 in
 * another notation); summed in logarithms (S. Ament et al., "Unexpected improvements to expected improvement", NeurIPS 2023).
 *
 * @param gps one per objective, in the units of the boxes.
 */
export function logExpectedHypervolumeImprovement(gps: readonly Gp[], boxes: Boxes): Acquisition {
  const { m } = boxes
  const terms = new BoxTerms(boxes)
  const means = new Float64Array(m)
  const deviations = new Float64Array(m)
  return {
    evaluate: (x, gradient) => {
      for (const [j, gp] of gps.entries()) {
        const { mean, variance } = gp.predict(x)
        means[j] = mean
        deviations[j] = Math.sqrt(variance)
      }
      if (gradient === undefined) return terms.value(means, deviations)
      const byMean = new Float64Array(m)
      const byDeviation = new Float64Array(m)
      const value = terms.value(means, deviations, byMean, byDeviation)
      gradient.fill(0)
      // dσ = dσ² / (2σ)
      for (const [j, gp] of gps.entries()) gp.addGradient(byMean[j]!, byDeviation[j]! / (2 * deviations[j]!), gradient)
      return value
    },
    evaluateMany: (points, count) => {
      const manyMeans = gps.map(() => new Float64Array(count))
      const manyVariances = gps.map(() => new Float64Array(count))
      for (const [j, gp] of gps.entries()) gp.predictMany(points, count, manyMeans[j]!, manyVariances[j]!)
      return Float64Array.from({ length: count }, (_, i) => {
        for (let j = 0; j < m; j++) {
          means[j] = manyMeans[j]![i]!
          deviations[j] = Math.sqrt(manyVariances[j]![i]!)
        }
        return terms.value(means, deviations)
      })
    },
  }
}

/** The sum over boxes for one Gaussian per objective. */
export class BoxTerms {
  readonly #boxes: Boxes
  /** log of every box's product, shape (count,). */
  readonly #logs: Float64Array
  /** Of every side: its logarithm's derivatives, shape (count, m). */
  readonly #byMean: Float64Array
  readonly #byDeviation: Float64Array
  readonly #side = { log: 0, byMean: 0, byDeviation: 0 }

  constructor(boxes: Boxes) {
    this.#boxes = boxes
    this.#logs = new Float64Array(boxes.count)
    this.#byMean = new Float64Array(boxes.count * boxes.m)
    this.#byDeviation = new Float64Array(boxes.count * boxes.m)
  }

  /**
   * log EHVI. @param means shape (m,). @param deviations shape (m,), positive. With `byMean` and `byDeviation`, shape (m,), fills in the
   * derivatives.
   */
  value(means: Float64Array, deviations: Float64Array, byMean?: Float64Array, byDeviation?: Float64Array): number {
    const { count, m, lower, upper } = this.#boxes
    const side = this.#side
    const slopes = byMean !== undefined
    let largest = Number.NEGATIVE_INFINITY
    for (let k = 0; k < count; k++) {
      let log = 0
      for (let j = 0; j < m; j++) {
        const at = k * m + j
        logSide(means[j]!, deviations[j]!, lower[at]!, upper[at]!, slopes, side)
        log += side.log
        this.#byMean[at] = side.byMean
        this.#byDeviation[at] = side.byDeviation
      }
      this.#logs[k] = log
      if (log > largest) largest = log
    }
    let sum = 0
    for (let k = 0; k < count; k++) sum += Math.exp(this.#logs[k]! - largest)
    const value = largest + Math.log(sum)
    if (byMean !== undefined && byDeviation !== undefined) {
      byMean.fill(0)
      byDeviation.fill(0)
      for (let k = 0; k < count; k++) {
        const share = Math.exp(this.#logs[k]! - value)
        if (share === 0) continue
        for (let j = 0; j < m; j++) {
          byMean[j]! += share * this.#byMean[k * m + j]!
          byDeviation[j]! += share * this.#byDeviation[k * m + j]!
        }
      }
    }
    return value
  }
}

/** log(ψ(u) - ψ(l)), and with `slopes` its derivatives by mean and deviation. */
function logSide(
  mean: number,
  deviation: number,
  lower: number,
  upper: number,
  slopes: boolean,
  side: { log: number; byMean: number; byDeviation: number },
): void {
  const logDeviation = Math.log(deviation)
  const b = (upper - mean) / deviation
  const logUpper = logH(b)
  const slopeUpper = slopes ? logHSlope(b, logUpper) : 0
  if (lower === Number.NEGATIVE_INFINITY) {
    side.log = logUpper + logDeviation
    side.byMean = -slopeUpper / deviation
    side.byDeviation = (1 - b * slopeUpper) / deviation
    return
  }
  const a = (lower - mean) / deviation
  if ((b - a) * Math.max(1, Math.abs(b)) < THIN) {
    // ψ' = Φ: the side is its width times Φ in the middle.
    const middle = 0.5 * (a + b)
    const logCdf = normalLogCdf(middle)
    const ratio = slopes ? inverseMillsRatio(middle) : 0
    side.log = Math.log(upper - lower) + logCdf
    side.byMean = -ratio / deviation
    side.byDeviation = (-middle * ratio) / deviation
    return
  }
  const logLower = logH(a)
  const difference = logLower - logUpper
  side.log = logUpper + log1mexp(difference) + logDeviation
  if (!slopes) return
  const slopeLower = logHSlope(a, logLower)
  const ratio = Math.exp(difference)
  const rest = -Math.expm1(difference)
  side.byMean = -(slopeUpper - ratio * slopeLower) / rest / deviation
  side.byDeviation = (1 - b * slopeUpper - ratio * (1 - a * slopeLower)) / rest / deviation
}
