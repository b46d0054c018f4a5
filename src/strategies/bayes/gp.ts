import {
  choleskyRows,
  packedOffset,
  solveLower,
  solveLowerFour,
  solveLowerTransposed,
} from '../../numerics/cholesky.ts'

/** Inputs of a Gaussian process: `numeric` of them compared by distance, then `categorical` compared by equality. */
export interface InputShape {
  readonly numeric: number
  readonly categorical: number
}

/** What a fit decides. All in units of the (transformed) targets. */
export interface GpParameters {
  /** Per input, shape (D,). */
  readonly lengthscales: Float64Array
  /** Prior variance. */
  readonly outputscale: number
  /** Constant mean of the prior. */
  readonly mean: number
  /** Factor of every observation's own noise variance. */
  readonly noise: number
}

/** Variance added to the diagonal so that two equal inputs do not make the matrix singular. */
export const JITTER = 1e-8
/** Least variance of an observation given those before it; what rounding leaves below it is no information. */
const LEAST_PIVOT = 0.1 * JITTER

/**
 * Gaussian process with a Matérn-5/2 kernel and one lengthscale per input:
 *   k(x, x') = s² (1 + t + t²/3) exp(-t),  t = √5 r,  r² = Σ_numeric ((x_k - x'_k) / l_k)² + Σ_categorical [x_k ≠ x'_k] / l_k²
 * (C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine Learning", 2006, eq. 4.17 and algorithm 2.1; equality as a
 * distance: F. Hutter, thesis, 2009, §11.3).
 *
 * Observations are appended row by row and can be taken back from the end, which is how points under evaluation are believed for a
 * while. The result is a function of parameters and observations in order, to the last bit.
 */
export class Gp {
  readonly shape: InputShape
  readonly parameters: GpParameters
  #size = 0
  /** Inputs divided by their lengthscales; categorical ones as they are. Shape (capacity, D). */
  #scaled: Float64Array
  #targets: Float64Array
  /** Noise variances, `parameters.noise` included. */
  #noise: Float64Array
  /** Packed rows of L. */
  #factor: Float64Array
  /** K⁻¹ (y - mean), shape (n,); `undefined`: to be solved. */
  #alpha: Float64Array | undefined
  readonly #inverseSquares: Float64Array
  /** Of the last {@link predict}: input, kernel values k, kernel slopes dk/d(r²), L⁻¹ k. */
  #at: Float64Array
  #kernels: Float64Array
  #slopes: Float64Array
  #solved: Float64Array
  #block: Float64Array

  constructor(shape: InputShape, parameters: GpParameters, capacity = 64) {
    this.shape = shape
    this.parameters = parameters
    const width = shape.numeric + shape.categorical
    this.#scaled = new Float64Array(capacity * width)
    this.#targets = new Float64Array(capacity)
    this.#noise = new Float64Array(capacity)
    this.#factor = new Float64Array(packedOffset(capacity))
    this.#inverseSquares = parameters.lengthscales.map(l => 1 / (l * l))
    this.#at = new Float64Array(width)
    this.#kernels = new Float64Array(capacity)
    this.#slopes = new Float64Array(capacity)
    this.#solved = new Float64Array(capacity)
    this.#block = new Float64Array(4 * capacity)
  }

  get size(): number {
    return this.#size
  }

  /** Target of observation i. */
  target(i: number): number {
    return this.#targets[i]!
  }

  /**
   * Adds observations.
   * @param inputs shape (k, D), flat. @param targets shape (k,). @param noise shape (k,): each one's own noise variance, to be
   * multiplied by `parameters.noise`.
   */
  append(inputs: Float64Array, targets: ArrayLike<number>, noise: ArrayLike<number>): void {
    const width = this.#at.length
    const first = this.#size
    const last = first + targets.length
    this.#reserve(last)
    const scaled = this.#scaled
    for (let i = first; i < last; i++) {
      this.#scale(inputs, (i - first) * width, scaled, i * width)
      this.#targets[i] = targets[i - first]!
      const row = packedOffset(i)
      for (let j = 0; j < i; j++) this.#factor[row + j] = this.#kernel(this.#squaredDistance(scaled, i * width, j))
      this.#noise[i] = this.parameters.noise * noise[i - first]!
      this.#factor[row + i] = this.parameters.outputscale + this.#noise[i]! + JITTER
    }
    if (!choleskyRows(this.#factor, first, last, LEAST_PIVOT)) {
      throw new RangeError('Expected finite inputs, targets and parameters of a Gaussian process, got NaN or infinity.')
    }
    this.#size = last
    this.#alpha = undefined
  }

  /** Noise variance of observation i, {@link JITTER} included. */
  noiseVariance(i: number): number {
    return this.#noise[i]! + JITTER
  }

  /** Mean noise variance of the observations. */
  meanNoise(): number {
    let sum = 0
    for (let i = 0; i < this.#size; i++) sum += this.#noise[i]!
    return sum / this.#size
  }

  /** Inputs of the observations as they were appended, shape (n, D), flat, up to rounding. */
  inputs(): Float64Array {
    const width = this.#at.length
    const { lengthscales } = this.parameters
    return this.#scaled
      .slice(0, this.#size * width)
      .map((v, at) => (at % width < this.shape.numeric ? v * lengthscales[at % width]! : v))
  }

  /** Means of the latent function at the observations themselves, shape (n,): targets with their noise taken off. */
  fittedMeans(): Float64Array {
    const alpha = this.#weights()
    return alpha.map((a, i) => this.#targets[i]! - a * this.noiseVariance(i))
  }

  /** Keeps the first `size` observations. */
  truncate(size: number): void {
    this.#size = Math.min(this.#size, size)
    this.#alpha = undefined
  }

  /** Mean and variance of the latent function (without noise) at x, shape (D,). */
  predict(x: Float64Array): { readonly mean: number; readonly variance: number } {
    const n = this.#size
    const width = this.#at.length
    const alpha = this.#weights()
    this.#scale(x, 0, this.#at, 0)
    const { outputscale } = this.parameters
    let mean = this.parameters.mean
    for (let i = 0; i < n; i++) {
      const t = Math.sqrt(5 * this.#distanceTo(i, width))
      const decay = outputscale * Math.exp(-t)
      const k = (1 + t + (t * t) / 3) * decay
      this.#slopes[i] = (-5 / 6) * (1 + t) * decay
      this.#kernels[i] = k
      this.#solved[i] = k
      mean += alpha[i]! * k
    }
    solveLower(this.#factor, n, this.#solved)
    let explained = 0
    for (let i = 0; i < n; i++) explained += this.#solved[i]! * this.#solved[i]!
    return { mean, variance: Math.max(outputscale - explained, MIN_VARIANCE * outputscale) }
  }

  /** Mean at the point of the last {@link predict}, had the observations other values: those whose {@link weightsOf} are given. */
  meanWith(weights: Float64Array): number {
    let mean = this.parameters.mean
    for (let i = 0; i < this.#size; i++) mean += weights[i]! * this.#kernels[i]!
    return mean
  }

  /** K⁻¹ (y - mean) for any values y at the observations, shape (n,). */
  weightsOf(values: Float64Array): Float64Array {
    const weights = values.map(y => y - this.parameters.mean)
    solveLower(this.#factor, this.#size, weights)
    solveLowerTransposed(this.#factor, this.#size, weights)
    return weights
  }

  /** L z, shape (n,): observations drawn from the prior, less its mean, when z is standard normal. */
  colour(z: Float64Array): Float64Array {
    return z.map((_, i) => {
      let sum = 0
      for (let k = 0, row = packedOffset(i); k <= i; k++) sum += this.#factor[row + k]! * z[k]!
      return sum
    })
  }

  /**
   * Adds a · ∂mean/∂x + b · ∂variance/∂x of the last {@link predict} to `gradient`, shape (D,); nothing for categorical inputs. The
   * mean is that of other values at the observations where their {@link weightsOf} are given. Once per `predict`.
   */
  addGradient(a: number, b: number, gradient: Float64Array, weights?: Float64Array): void {
    const n = this.#size
    const width = this.#at.length
    const { numeric } = this.shape
    const alpha = weights ?? this.#weights()
    const solved = this.#solved
    if (b !== 0) solveLowerTransposed(this.#factor, n, solved) // K⁻¹ k
    for (let i = 0; i < n; i++) {
      const weight = 2 * (a * alpha[i]! - (b === 0 ? 0 : 2 * b * solved[i]!)) * this.#slopes[i]!
      const row = i * width
      for (let k = 0; k < numeric; k++) {
        gradient[k] =
          gradient[k]! + (weight * (this.#at[k]! - this.#scaled[row + k]!)) / this.parameters.lengthscales[k]!
      }
    }
  }

  /** Means and variances at many points, flat (count, D): quicker than one at a time, and the same up to rounding. */
  predictMany(points: Float64Array, count: number, means: Float64Array, variances: Float64Array): void {
    const n = this.#size
    const width = this.#at.length
    const alpha = this.#weights()
    const { outputscale, mean } = this.parameters
    const block = this.#block
    for (let first = 0; first < count; first += 4) {
      const lanes = Math.min(4, count - first)
      block.fill(0, 0, 4 * n)
      for (let lane = 0; lane < lanes; lane++) {
        this.#scale(points, (first + lane) * width, this.#at, 0)
        let sum = mean
        for (let i = 0; i < n; i++) {
          const k = this.#kernel(this.#distanceTo(i, width))
          block[4 * i + lane] = k
          sum += alpha[i]! * k
        }
        means[first + lane] = sum
      }
      solveLowerFour(this.#factor, n, block)
      for (let lane = 0; lane < lanes; lane++) {
        let explained = 0
        for (let i = 0; i < n; i++) explained += block[4 * i + lane]! * block[4 * i + lane]!
        variances[first + lane] = Math.max(outputscale - explained, MIN_VARIANCE * outputscale)
      }
    }
  }

  /** Covariance matrix of the latent function at several points, flat (count, D), packed rows; for joint samples. */
  jointCovariance(points: Float64Array, count: number): Float64Array {
    const n = this.#size
    const width = this.#at.length
    const scaled = new Float64Array(count * width)
    const solved = Array.from({ length: count }, (_, p) => {
      this.#scale(points, p * width, scaled, p * width)
      this.#scale(points, p * width, this.#at, 0)
      const k = Float64Array.from({ length: n }, (_, i) => this.#kernel(this.#distanceTo(i, width)))
      solveLower(this.#factor, n, k)
      return k
    })
    const covariance = new Float64Array(packedOffset(count))
    for (let p = 0; p < count; p++) {
      for (let q = 0; q <= p; q++) {
        let sum = this.#kernel(this.#squaredDistance(scaled, p * width, q, scaled))
        const [a, b] = [solved[p]!, solved[q]!]
        for (let i = 0; i < n; i++) sum -= a[i]! * b[i]!
        covariance[packedOffset(p) + q] = sum
      }
    }
    return covariance
  }

  #weights(): Float64Array {
    this.#alpha ??= this.weightsOf(this.#targets.slice(0, this.#size))
    return this.#alpha
  }

  #kernel(squaredDistance: number): number {
    const t = Math.sqrt(5 * squaredDistance)
    return this.parameters.outputscale * (1 + t + (t * t) / 3) * Math.exp(-t)
  }

  #scale(from: Float64Array, offset: number, to: Float64Array, at: number): void {
    const { numeric } = this.shape
    const width = this.#at.length
    for (let k = 0; k < width; k++) {
      to[at + k] = k < numeric ? from[offset + k]! / this.parameters.lengthscales[k]! : from[offset + k]!
    }
  }

  /** r² between the point being predicted and observation i. */
  #distanceTo(i: number, width: number): number {
    const { numeric } = this.shape
    const row = i * width
    const [at, scaled] = [this.#at, this.#scaled]
    let sum = 0
    for (let k = 0; k < numeric; k++) {
      const difference = at[k]! - scaled[row + k]!
      sum += difference * difference
    }
    for (let k = numeric; k < width; k++) if (at[k] !== scaled[row + k]) sum += this.#inverseSquares[k]!
    return sum
  }

  /** r² between the scaled input at offset `a` and input j of `others`. */
  #squaredDistance(inputs: Float64Array, a: number, j: number, others = this.#scaled): number {
    const { numeric } = this.shape
    const width = this.#at.length
    const b = j * width
    let sum = 0
    for (let k = 0; k < numeric; k++) {
      const difference = inputs[a + k]! - others[b + k]!
      sum += difference * difference
    }
    for (let k = numeric; k < width; k++) if (inputs[a + k] !== others[b + k]) sum += this.#inverseSquares[k]!
    return sum
  }

  #reserve(size: number): void {
    if (size <= this.#targets.length) return
    const capacity = Math.max(size, Math.ceil(1.5 * this.#targets.length))
    this.#scaled = grown(this.#scaled, capacity * this.#at.length)
    this.#targets = grown(this.#targets, capacity)
    this.#noise = grown(this.#noise, capacity)
    this.#factor = grown(this.#factor, packedOffset(capacity))
    this.#kernels = new Float64Array(capacity)
    this.#slopes = new Float64Array(capacity)
    this.#solved = new Float64Array(capacity)
    this.#block = new Float64Array(4 * capacity)
  }
}

/** Least posterior variance, as a share of the prior's: below it is rounding. */
const MIN_VARIANCE = 1e-12

function grown(values: Float64Array, length: number): Float64Array {
  const larger = new Float64Array(length)
  larger.set(values)
  return larger
}
