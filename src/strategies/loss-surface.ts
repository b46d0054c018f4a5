import { choleskyRows, packedOffset, solveLower, solveLowerTransposed } from '../numerics/cholesky.ts'

/** A loss that is not known exactly. */
export interface UncertainLoss {
  /** Shape (D,): `numeric` inputs, compared by distance, then others, compared by equality. */
  readonly inputs: Float64Array
  readonly loss: number
  /** How far it may be from what it would be over examples without end: squared standard error. */
  readonly variance: number
}

/** Lengthscales, in root mean square distances between the observations. */
const LENGTHS = [0.35, 0.7, 1.4, 2.8, 5.6, 11.2]
/** Prior variances, in variances of the losses. A surface much higher than its data is a slope that goes on. */
const HEIGHTS = [0.01, 0.1, 0.3, 1, 3, 10, 30]
/** Share of the prior variance added to the diagonal so that two equal inputs do not make the matrix singular. */
const JITTER = 1e-8

/**
 * Losses with some of their noise taken off: the means of a Gaussian process over the inputs, given all of them. Near candidates have
 * near losses, so that what a candidate's own few examples leave open the others tell; noise of the losses is as given, not fitted.
 *
 * Matérn-5/2 kernel of the distance r, each input divided by its root mean square difference between observations (C. E. Rasmussen, C. K. I.
 * Williams, "Gaussian Processes for Machine Learning", 2006, eq. 4.17), one lengthscale, a constant mean by generalised least squares. Lengthscale and
 * prior variance: from a grid, by the restricted likelihood (eq. 5.8, less the mean's degree of freedom), which a few hundred
 * noisy losses cannot tell any finer. Ranking a generation of CMA-ES by such means: L. Bajer, Z. Pitra, J. Repický, M. Holeňa, "Gaussian process
 * surrogate models for the CMA evolution strategy", Evolutionary Computation 27(4), 2019.
 *
 * @param observations n ≥ 1 of them
 * @param numeric inputs that are compared by distance
 * @returns shape (n,)
 */
export function smoothLosses(observations: readonly UncertainLoss[], numeric: number): Float64Array {
  const n = observations.length
  const losses = Float64Array.from(observations, ({ loss }) => loss)
  const centre = losses.reduce((sum, loss) => sum + loss, 0) / n
  const spread = losses.reduce((sum, loss) => sum + (loss - centre) ** 2, 0) / n
  const distances = scaledDistances(observations, numeric)
  if (!(spread > 0) || distances === undefined) return losses
  const best = climb((length, height) => {
    const variance = HEIGHTS[height]! * spread
    const factor = distances.map(squared => variance * matern(Math.sqrt(5 * squared) / LENGTHS[length]!))
    for (let i = 0; i < n; i++) factor[packedOffset(i) + i]! += observations[i]!.variance + JITTER * variance
    return choleskyRows(factor, 0, n) ? { factor, ...restrictedLikelihood(factor, losses) } : undefined
  })
  if (best === undefined) return losses
  // Mean at an observation: y − (noise of y) · (K + noise)⁻¹ (y − mean).
  const { factor, mean } = best
  const weights = losses.map(loss => loss - mean)
  solveLower(factor, n, weights)
  solveLowerTransposed(factor, n, weights)
  return losses.map((loss, i) => loss - observations[i]!.variance * weights[i]!)
}

/** Packed rows of r²: per input the squared difference over its mean, averaged over inputs. `undefined`: all observations are in one place. */
function scaledDistances(observations: readonly UncertainLoss[], numeric: number): Float64Array | undefined {
  const n = observations.length
  const total = new Float64Array(packedOffset(n))
  const own = new Float64Array(packedOffset(n))
  let used = 0
  for (let k = 0; k < observations[0]!.inputs.length; k++) {
    let sum = 0
    for (let i = 0, at = 0; i < n; i++)
      for (let j = 0; j <= i; j++, at++) {
        const difference = observations[i]!.inputs[k]! - observations[j]!.inputs[k]!
        own[at] = k < numeric ? difference * difference : Number(difference !== 0)
        sum += own[at]!
      }
    const mean = sum / packedOffset(n - 1)
    if (!(mean > 1e-24)) continue // the same everywhere, or but for rounding
    used++
    for (let at = 0; at < own.length; at++) total[at]! += own[at]! / mean
  }
  return used === 0 ? undefined : total.map(sum => sum / used)
}

interface Fit {
  readonly likelihood: number
  readonly factor: Float64Array
  readonly mean: number
}

/** The best of the grid of {@link LENGTHS} and {@link HEIGHTS}, uphill from its middle over all eight neighbours. */
function climb(compute: (length: number, height: number) => Fit | undefined): Fit | undefined {
  const known = new Map<string, Fit | undefined>()
  const at = (length: number, height: number): Fit | undefined => {
    const key = `${length} ${height}`
    if (!known.has(key)) known.set(key, compute(length, height))
    return known.get(key)
  }
  let [length, height] = [LENGTHS.length >> 1, HEIGHTS.length >> 1]
  for (;;) {
    let next: { readonly length: number; readonly height: number; readonly likelihood: number } | undefined
    for (let l = Math.max(0, length - 1); l <= Math.min(LENGTHS.length - 1, length + 1); l++)
      for (let h = Math.max(0, height - 1); h <= Math.min(HEIGHTS.length - 1, height + 1); h++) {
        const likelihood = at(l, h)?.likelihood ?? Number.NEGATIVE_INFINITY
        if (likelihood > (next?.likelihood ?? at(length, height)?.likelihood ?? Number.NEGATIVE_INFINITY))
          next = { length: l, height: h, likelihood }
      }
    if (next === undefined) return at(length, height)
    ;[length, height] = [next.length, next.height]
  }
}

function matern(t: number): number {
  return (1 + t + (t * t) / 3) * Math.exp(-t)
}

/** Of losses with covariance L Lᵀ and an unknown constant mean; constants left out. */
function restrictedLikelihood(
  factor: Float64Array,
  losses: Float64Array,
): { readonly likelihood: number; readonly mean: number } {
  const n = losses.length
  const ones = new Float64Array(n).fill(1)
  const whitened = losses.slice()
  solveLower(factor, n, ones)
  solveLower(factor, n, whitened)
  let [precision, product, squares, logRoot] = [0, 0, 0, 0]
  for (let i = 0; i < n; i++) {
    precision += ones[i]! * ones[i]!
    product += ones[i]! * whitened[i]!
    squares += whitened[i]! * whitened[i]!
    logRoot += Math.log(factor[packedOffset(i) + i]!)
  }
  const mean = product / precision
  return { likelihood: -0.5 * (squares - mean * product) - logRoot - 0.5 * Math.log(precision), mean }
}
