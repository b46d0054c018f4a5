import { fitRidge, PENALTIES, type RidgeFit } from './ridge.ts'

/**
 * Ridge regression through a link: y ≈ μ(η), η = b0 + x · b, by iteratively reweighted least squares (P. McCullagh, J. A. Nelder,
 * "Generalized Linear Models", 1989, section 2.5). Each step fits the working response by `fitRidge`:
 *
 *     z_i = η_i + (y_i - μ_i) / μ'_i,     working weight  w_i μ'_i² / V(μ_i)
 *
 * For V = 1 this is Gauss-Newton on least squares, for V = μ (1 - μ) and the logistic mean it is logistic regression on proportions. λ is chosen anew in the
 * first steps (C. Gu, Statistica Sinica 2, 1992), then held. A step that raises the deviance is halved.
 */
export interface Family {
  /** μ(η), strictly increasing. */
  mean(eta: number): number
  /** μ'(η), > 0. */
  slope(eta: number): number
  /** V(μ): how the variance of y depends on its mean. > 0 for every μ that `mean` gives. */
  variance(mu: number): number
  /** Twice the log-likelihood lost by μ against a perfect fit, per unit of weight. */
  deviance(y: number, mu: number): number
  /** η for an observed y, finite also at the ends of its range: where the iteration starts. */
  start(y: number): number
}

export interface LinkedFit {
  /** The last weighted fit, on the scale of η. */
  readonly ridge: RidgeFit
  readonly intercept: number
  readonly coefficients: Float64Array // shape (p,)
  readonly eta: Float64Array // shape (n,)
  /** η_i as predicted without row i, shape (n,): exact for the last working problem, one Newton step for the whole. */
  readonly leftOut: Float64Array
}

/** Steps in which λ may change; after that the iteration is Newton's on one fixed criterion. */
const PENALTY_STEPS = 2
const MAX_STEPS = 15
/** Step length at which halving ends: the deviance does not fall along the step. */
const LEAST_STEP = 1 / 64
/** Relative change of the deviance below which the iteration has converged. */
const CONVERGED = 1e-9
/** A saturated row has a working response far out at a vanishing weight; below this share of the largest weight that is rounding. */
const LEAST_WEIGHT = 1e-6
/** A leverage of 1 leaves nothing to predict from: the row alone decides one coefficient. */
const MOST_LEVERAGE = 1 - 1e-9

/**
 * @param design X, shape (n, p), row-major, without a column of ones.
 * @param observed y, shape (n,).
 * @param weights w, shape (n,), > 0.
 */
export function fitLinkedRidge(
  design: Float64Array,
  observed: Float64Array,
  weights: Float64Array,
  family: Family,
  penalties: readonly number[] = PENALTIES,
): LinkedFit {
  const devianceOf = (eta: Float64Array): number =>
    eta.reduce((sum, e, i) => sum + weights[i]! * family.deviance(observed[i]!, family.mean(e)), 0)

  let eta = Float64Array.from(observed, y => family.start(y))
  let { w, z } = linearize(eta, observed, weights, family)
  let ridge = fitRidge({ design, response: z, weights: w }, penalties)
  let { intercept, coefficients } = ridge
  eta = Float64Array.from(ridge.fitted)
  let deviance = devianceOf(eta)
  for (let step = 1; step < MAX_STEPS; step++) {
    ;({ w, z } = linearize(eta, observed, weights, family))
    const choosing = step < PENALTY_STEPS
    const fit = fitRidge({ design, response: z, weights: w }, choosing ? penalties : [ridge.penalty])
    let share = 1
    let next = Float64Array.from(fit.fitted)
    let nextDeviance = devianceOf(next)
    while (!choosing && nextDeviance > deviance && share > LEAST_STEP) {
      share /= 2
      next = eta.map((e, i) => e + share * (fit.fitted[i]! - e))
      nextDeviance = devianceOf(next)
    }
    if (!choosing && nextDeviance > deviance) break // a minimum up to rounding
    const change = Math.abs(deviance - nextDeviance)
    intercept += share * (fit.intercept - intercept)
    coefficients = coefficients.map((b, j) => b + share * (fit.coefficients[j]! - b))
    ;[eta, deviance, ridge] = [next, nextDeviance, fit]
    if (!choosing && change <= CONVERGED * (deviance + CONVERGED)) break
  }
  const last = linearize(eta, observed, weights, family)
  const leftOut = eta.map((e, i) => {
    const h = Math.min(MOST_LEVERAGE, ridge.leverages[i]!)
    return e - (h / (1 - h)) * (last.z[i]! - e)
  })
  return { ridge, intercept, coefficients, eta, leftOut }
}

/** The least-squares problem that has the criterion's gradient and expected curvature at η. */
function linearize(eta: Float64Array, observed: Float64Array, weights: Float64Array, family: Family) {
  const w = new Float64Array(eta.length)
  const z = new Float64Array(eta.length)
  let largest = 0
  for (let i = 0; i < eta.length; i++) {
    const mu = family.mean(eta[i]!)
    const slope = family.slope(eta[i]!)
    w[i] = (weights[i]! * slope * slope) / family.variance(mu)
    z[i] = eta[i]! + (observed[i]! - mu) / slope
    largest = Math.max(largest, w[i]!)
  }
  const least = LEAST_WEIGHT * largest
  for (let i = 0; i < eta.length; i++) {
    if (w[i]! >= least) continue
    z[i] = eta[i]! + ((z[i]! - eta[i]!) * w[i]!) / least // the same gradient
    w[i] = least
  }
  return { w, z }
}
