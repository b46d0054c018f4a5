import { logH, logHSlope } from '../../numerics/normal.ts'
import type { Rng } from '../../rng.ts'
import type { Acquisition } from './acquisition.ts'
import { Gp } from './gp.ts'

/** Noise variance that keeps the covariance of noise-free values factorisable, as a share of the prior's variance. */
const NUGGET = 1e-6

/**
 * Logarithm of the noisy expected improvement: the expected improvement over the best of the *true* values at the observations, which
 * are not known, averaged over `samples` draws of them from the posterior (B. Letham et al., "Constrained Bayesian optimization with
 * noisy experiments", Bayesian Analysis 14(2), 2019, eq. 8; each improvement in closed form, averaged in log space).
 *
 * Given true values the model has no noise, so all draws share one factor and one variance; only the means differ.
 */
export function noisyLogExpectedImprovement(gp: Gp, samples: number, rng: Rng): Acquisition {
  const n = gp.size
  const { parameters } = gp
  const exact = new Gp(gp.shape, { ...parameters, noise: 1 }, n)
  exact.append(gp.inputs(), new Float64Array(n), new Float64Array(n).fill(NUGGET * parameters.outputscale))
  const draws = Array.from({ length: samples }, () => {
    const values = posteriorDraw(gp, exact, rng)
    return { weights: exact.weightsOf(values), best: values.reduce((a, b) => Math.min(a, b)) }
  })
  const terms = new Float64Array(samples)
  const slopes = new Float64Array(samples)
  const ratios = new Float64Array(samples)
  const weights = new Float64Array(n)

  const evaluate = (x: Float64Array, gradient?: Float64Array): number => {
    const { variance } = exact.predict(x)
    const deviation = Math.sqrt(variance)
    for (const [s, draw] of draws.entries()) {
      const u = (draw.best - exact.meanWith(draw.weights)) / deviation
      const value = logH(u)
      terms[s] = value
      ratios[s] = u
      if (gradient !== undefined) slopes[s] = logHSlope(u, value)
    }
    const largest = terms.reduce((a, b) => Math.max(a, b))
    let total = 0
    for (let s = 0; s < samples; s++) total += Math.exp(terms[s]! - largest)
    if (gradient !== undefined) {
      // Each term's share of the mean weighs its derivatives, which are those of log EI.
      weights.fill(0)
      let byVariance = 0
      for (const [s, draw] of draws.entries()) {
        const share = Math.exp(terms[s]! - largest) / total
        const slope = share * slopes[s]!
        for (let i = 0; i < n; i++) weights[i] = weights[i]! - (slope / deviation) * draw.weights[i]!
        byVariance += (share - ratios[s]! * slope) / (2 * variance)
      }
      gradient.fill(0)
      exact.addGradient(1, byVariance, gradient, weights)
    }
    return largest + Math.log(total / samples) + Math.log(deviation)
  }
  return {
    evaluate,
    evaluateMany: (points, count) => {
      const width = points.length / count
      return Float64Array.from({ length: count }, (_, i) => evaluate(points.subarray(i * width, (i + 1) * width)))
    },
  }
}

/**
 * True values at the observations, drawn from the posterior by correcting a draw from the prior (Matheron's rule; J. Wilson et al.,
 * "Efficiently sampling functions from Gaussian process posteriors", ICML 2020, eq. 12).
 */
function posteriorDraw(gp: Gp, exact: Gp, rng: Rng): Float64Array {
  const { mean } = gp.parameters
  const prior = exact.colour(Float64Array.from({ length: gp.size }, () => rng.normal()))
  const residual = prior.map((f, i) => gp.target(i) - mean - f - Math.sqrt(gp.noiseVariance(i)) * rng.normal())
  const weights = gp.weightsOf(residual.map(r => r + mean))
  // mean + f + K w with w = (K + N)⁻¹ residual: K w = residual - N w.
  return prior.map((f, i) => mean + f + residual[i]! - gp.noiseVariance(i) * weights[i]!)
}
