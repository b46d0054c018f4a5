import { SymmetricEigen } from './symmetric-eigen.ts'

/**
 * Weighted ridge regression on standardised columns, the intercept left alone (A. E. Hoerl, R. W. Kennard, Technometrics 12(1), 1970):
 *
 *     min over b0, b:  Σ_i w_i (y_i - b0 - x_i · b)²  +  λ W Σ_j s_j² b_j²,     W = Σ_i w_i
 *
 * with s_j the weighted standard deviation of column j, so λ has no unit. One eigendecomposition of the p × p correlation
 * matrix serves every λ.
 *
 *     n rows, p columns;  Z standardised columns;  C = Zᵀ diag(w) Z / W = V diag(Λ) Vᵀ;  H the hat matrix: fitted = H y
 */
export interface RidgeProblem {
  readonly design: Float64Array // X, shape (n, p), row-major, without a column of ones
  readonly response: Float64Array // y, shape (n,)
  readonly weights: Float64Array // w, shape (n,), > 0
}

export interface RidgeFit {
  readonly intercept: number // b0
  readonly coefficients: Float64Array // b, shape (p,), in units of the given columns; 0 for a constant column
  readonly penalty: number // λ
  readonly fitted: Float64Array // shape (n,)
  /** h_i, the diagonal of H, shape (n,), 0..1: leaving row i out changes its residual from r_i to r_i / (1 - h_i), with the s_j held. */
  readonly leverages: Float64Array
  /** Generalised cross-validation score of λ: n Σ_i w_i r_i² / (n - Σ_i h_i)². */
  readonly gcv: number
  /** 1 / W + z(x)ᵀ (C + λ I)⁻¹ z(x) / W: the variance of a prediction at x, shape (p,), in units of the variance of a row of weight 1. */
  variance(x: ArrayLike<number>): number
}

/** 10^-10, 10^-9.5, ..., 10^2: from "no penalty" to "hardly anything but the mean". */
export const PENALTIES: readonly number[] = Array.from({ length: 25 }, (_, k) => 10 ** (-10 + k / 2))

/** Columns whose standard deviation is below this share of their largest entry are constant up to rounding. */
const CONSTANT = 1e-10

/**
 * The fit with the λ of `penalties` whose GCV score is least (G. H. Golub, M. Heath, G. Wahba, Technometrics 21(2), 1979, eq. 1.4);
 * of equal scores the larger λ.
 *
 * @throws {RangeError} if the shapes disagree, there are no rows, or no penalties.
 */
export function fitRidge(problem: RidgeProblem, penalties: readonly number[] = PENALTIES): RidgeFit {
  const { response: y, weights: w } = problem
  const n = y.length
  if (n === 0 || w.length !== n || problem.design.length % n !== 0) {
    throw new RangeError(`Expected one weight and one row per response, got ${n} responses and ${w.length} weights.`)
  }
  if (penalties.length === 0) throw new RangeError('Expected at least one penalty, got none.')
  const p = problem.design.length / n
  const total = w.reduce((sum, wi) => sum + wi, 0)
  const { z, means, scales } = standardize(problem.design, w, total, p)
  const meanResponse = y.reduce((sum, yi, i) => sum + w[i]! * yi, 0) / total

  const eigen = p === 0 ? undefined : new SymmetricEigen(p)
  eigen?.decompose(correlation(z, w, total, p))
  const values = eigen?.values.map(value => Math.max(0, value)) ?? new Float64Array(0)
  const vectors = eigen?.vectors ?? new Float64Array(0)
  const scores = rotate(z, vectors, n, p) // Z V, shape (n, p)
  // Zᵀ diag(w) (y - ȳ) / W in the eigenvectors' coordinates.
  const moments = new Float64Array(p)
  for (let i = 0; i < n; i++) {
    const weighted = (w[i]! * (y[i]! - meanResponse)) / total
    for (let k = 0; k < p; k++) moments[k]! += scores[i * p + k]! * weighted
  }
  // A direction without variance has no moment either: leave it at 0 whatever λ is.
  const inverse = (penalty: number): Float64Array =>
    values.map(value => (value > 1e-12 * p ? 1 / (value + penalty) : penalty > 1e-12 * p ? 1 / penalty : 0))

  const attempt = (penalty: number) => {
    const shrunk = inverse(penalty)
    const fitted = new Float64Array(n)
    const leverages = new Float64Array(n)
    let squares = 0
    let trace = 0
    for (let i = 0; i < n; i++) {
      let value = meanResponse
      let leverage = 1
      for (let k = 0; k < p; k++) {
        const score = scores[i * p + k]!
        value += score * shrunk[k]! * moments[k]!
        leverage += score * score * shrunk[k]!
      }
      fitted[i] = value
      leverages[i] = Math.min(1, (w[i]! / total) * leverage)
      squares += w[i]! * (y[i]! - value) ** 2
      trace += leverages[i]!
    }
    const freedom = n - trace
    return { penalty, shrunk, fitted, leverages, gcv: freedom > 1e-9 * n ? (n * squares) / freedom ** 2 : Infinity }
  }

  let best = attempt(penalties[0]!)
  for (const penalty of penalties.slice(1)) {
    const next = attempt(penalty)
    if (next.gcv < best.gcv || (next.gcv === best.gcv && next.penalty > best.penalty)) best = next
  }

  const coefficients = new Float64Array(p)
  for (let k = 0; k < p; k++) {
    const step = best.shrunk[k]! * moments[k]!
    for (let j = 0; j < p; j++) if (scales[j]! > 0) coefficients[j]! += (vectors[k * p + j]! * step) / scales[j]!
  }
  const intercept = coefficients.reduce((sum, b, j) => sum - b * means[j]!, meanResponse)
  const { penalty, shrunk, fitted, leverages, gcv } = best
  const variance = (x: ArrayLike<number>): number => {
    let sum = 1
    for (let k = 0; k < p; k++) {
      let score = 0
      for (let j = 0; j < p; j++) {
        if (scales[j]! > 0) score += (vectors[k * p + j]! * (x[j]! - means[j]!)) / scales[j]!
      }
      sum += score * score * shrunk[k]!
    }
    return sum / total
  }
  return { intercept, coefficients, penalty, fitted, leverages, gcv, variance }
}

/** Columns minus their weighted means, over their weighted standard deviations; a constant column becomes 0, its scale too. */
function standardize(design: Float64Array, w: Float64Array, total: number, p: number) {
  const n = w.length
  const means = new Float64Array(p)
  const scales = new Float64Array(p)
  const largest = new Float64Array(p)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < p; j++) {
      means[j]! += (w[i]! * design[i * p + j]!) / total
      largest[j] = Math.max(largest[j]!, Math.abs(design[i * p + j]!))
    }
  }
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < p; j++) scales[j]! += (w[i]! * (design[i * p + j]! - means[j]!) ** 2) / total
  }
  for (let j = 0; j < p; j++) {
    const scale = Math.sqrt(scales[j]!)
    scales[j] = scale > CONSTANT * largest[j]! ? scale : 0
  }
  const z = new Float64Array(n * p)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < p; j++) {
      if (scales[j]! > 0) z[i * p + j] = (design[i * p + j]! - means[j]!) / scales[j]!
    }
  }
  return { z, means, scales }
}

/** Zᵀ diag(w) Z / W; the lower triangle is enough. */
function correlation(z: Float64Array, w: Float64Array, total: number, p: number): Float64Array {
  const c = new Float64Array(p * p)
  for (let i = 0; i < w.length; i++) {
    const share = w[i]! / total
    for (let j = 0; j < p; j++) {
      const factor = share * z[i * p + j]!
      for (let k = 0; k <= j; k++) c[j * p + k]! += factor * z[i * p + k]!
    }
  }
  return c
}

/** Z V with the eigenvectors as rows of `vectors`. */
function rotate(z: Float64Array, vectors: Float64Array, n: number, p: number): Float64Array {
  const scores = new Float64Array(n * p)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < p; k++) {
      let sum = 0
      for (let j = 0; j < p; j++) sum += z[i * p + j]! * vectors[k * p + j]!
      scores[i * p + k] = sum
    }
  }
  return scores
}
