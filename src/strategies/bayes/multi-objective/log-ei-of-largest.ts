import { LargestOfGaussians } from '../../../numerics/largest-of-gaussians.ts'
import type { AffinePiece } from '../../../scalarization.ts'
import type { Acquisition } from '../acquisition.ts'
import type { Gp } from '../gp.ts'

/**
 * Logarithm of the expected improvement of the largest of several affine functions of independent Gaussian objectives: a scalarised loss, by models of
 * the objectives, which are smooth where it has kinks (improvement of a function of models: R. Astudillo, P. Frazier, "Bayesian optimization of
 * composite functions", ICML 2019).
 *
 *     EI = ∫_{-∞}^{best} Π_i Φ((t - M_i) / S_i) dt,   M_i = offset_i + Σ_j slopes_ij μ_j,   S_i² = Σ_j slopes_ij² σ_j²
 *
 * exact for one piece, and for several that share no objective. Those of a Tchebycheff sum share the twentieth part that breaks ties, and
 * are taken as independent all the same.
 *
 * @param gps one per objective.
 * @param pieces functions of the models' targets.
 * @param best the least value of the scalarised loss, in the pieces' units.
 */
export function logExpectedImprovementOfLargest(
  gps: readonly Gp[],
  pieces: readonly AffinePiece[],
  best: number,
): Acquisition {
  const m = gps.length
  const integral = new LargestOfGaussians(pieces.length)
  const means = new Float64Array(m)
  const variances = new Float64Array(m)
  const locations = new Float64Array(pieces.length)
  const scales = new Float64Array(pieces.length)
  const place = (): void => {
    for (const [i, { offset, slopes }] of pieces.entries()) {
      let location = offset
      let variance = 0
      for (let j = 0; j < m; j++) {
        location += slopes[j]! * means[j]!
        variance += slopes[j]! ** 2 * variances[j]!
      }
      locations[i] = location
      scales[i] = Math.sqrt(variance)
    }
  }
  return {
    evaluate: (x, gradient) => {
      for (const [j, gp] of gps.entries()) {
        const { mean, variance } = gp.predict(x)
        means[j] = mean
        variances[j] = variance
      }
      place()
      const value = integral.logExpectedImprovement(locations, scales, best, gradient !== undefined)
      if (gradient !== undefined) {
        gradient.fill(0)
        for (const [j, gp] of gps.entries()) {
          let byMean = 0
          let byVariance = 0
          for (const [i, { slopes }] of pieces.entries()) {
            byMean += slopes[j]! * integral.byLocation[i]!
            // dS = slopes² dσ² / (2 S)
            byVariance += (slopes[j]! ** 2 * integral.byScale[i]!) / (2 * scales[i]!)
          }
          gp.addGradient(byMean, byVariance, gradient)
        }
      }
      return value
    },
    evaluateMany: (points, count) => {
      const manyMeans = gps.map(() => new Float64Array(count))
      const manyVariances = gps.map(() => new Float64Array(count))
      for (const [j, gp] of gps.entries()) gp.predictMany(points, count, manyMeans[j]!, manyVariances[j]!)
      return Float64Array.from({ length: count }, (_, p) => {
        for (let j = 0; j < m; j++) {
          means[j] = manyMeans[j]![p]!
          variances[j] = manyVariances[j]![p]!
        }
        place()
        return integral.logExpectedImprovement(locations, scales, best, false)
      })
    },
  }
}
