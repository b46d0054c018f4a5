import { logH, logHSlope } from '../../numerics/normal.ts'
import type { Gp } from './gp.ts'

/** How promising a point is, on inputs as `Encoding.encode` gives them. Larger is better; only the order matters. */
export interface Acquisition {
  /** Value at x, shape (D,). With `gradient`, shape (D,), fills in the derivatives by the numeric inputs, 0 for the others. */
  evaluate(x: Float64Array, gradient?: Float64Array): number
  /** Values at many points, flat (count, D) → (count,). May differ from {@link evaluate} by rounding. */
  evaluateMany(points: Float64Array, count: number): Float64Array
}

/**
 * Logarithm of the expected improvement below `best`: log σ + log h((best - μ) / σ), which has slope where EI itself underflows
 * (S. Ament et al., "Unexpected improvements to expected improvement", NeurIPS 2023, eq. 8 and 9).
 */
export function logExpectedImprovement(gp: Gp, best: number): Acquisition {
  return {
    evaluate: (x, gradient) => {
      const { mean, variance } = gp.predict(x)
      const deviation = Math.sqrt(variance)
      const u = (best - mean) / deviation
      const value = logH(u)
      if (gradient !== undefined) {
        const slope = logHSlope(u, value)
        // d/dσ [log σ + log h(u)] = (1 - u h'/h) / σ, and dσ = dσ² / (2σ).
        gradient.fill(0)
        gp.addGradient(-slope / deviation, (1 - u * slope) / (2 * variance), gradient)
      }
      return value + Math.log(deviation)
    },
    evaluateMany: (points, count) => {
      const means = new Float64Array(count)
      const variances = new Float64Array(count)
      gp.predictMany(points, count, means, variances)
      return means.map((mean, i) => {
        const deviation = Math.sqrt(variances[i]!)
        return logH((best - mean) / deviation) + Math.log(deviation)
      })
    },
  }
}
