import {
  choleskyRows,
  invertFromCholesky,
  logDeterminant,
  packedOffset,
  solveLower,
  solveLowerTransposed,
} from '../../numerics/cholesky.ts'
import { minimizeBounded } from '../../numerics/lbfgs.ts'
import type { Rng } from '../../rng.ts'
import { type GpParameters, type InputShape, JITTER } from './gp.ts'

/** Observations to fit. */
export interface GpData {
  readonly shape: InputShape
  /** Shape (n, D), flat. */
  readonly inputs: Float64Array
  /** Shape (n,), of mean 0 and variance 1 or thereabouts: the priors are made for that. */
  readonly targets: Float64Array
  /** Shape (n,): each observation's own noise variance, or 1 where only the common factor counts. */
  readonly noise: Float64Array
}

/** What is known of the noise: a fixed factor of the given variances, or a level to be estimated. */
export type NoiseModel = { readonly kind: 'known' } | { readonly kind: 'estimated'; readonly floor: number }

/**
 * Priors. Lengthscales: LogNormal(√2 + log(D)/2, √3), which makes functions of many inputs flatter (C. Hvarfner, E. O. Hellsten,
 * L. Nardi, "Vanilla Bayesian optimization performs great in high dimensions", ICML 2024). Noise: LogNormal(-6, 2), wider and lower than
 * BoTorch's LogNormal(-4, 1): on Branin and Hartmann's function it is ahead of that by 0.8 to 1.1 decades after 50 evaluations (3 seeds).
 * Outputscale: Gamma(2, 1) as in Optuna. Mean: normal with variance 1, which keeps long lengthscales from extrapolating it.
 */
const LENGTHSCALE_SPREAD = Math.sqrt(3)
const lengthscaleLocation = (inputs: number): number => Math.SQRT2 + 0.5 * Math.log(inputs)
const NOISE_LOCATION = -6
const NOISE_SPREAD = 2
const MEAN_PRECISION = 1

const LENGTHSCALE_BOUNDS = [0.025, 1e3] as const
const OUTPUTSCALE_BOUNDS = [1e-3, 1e3] as const
const MAX_NOISE = 10

export interface FitOptions {
  readonly noise: NoiseModel
  /** Parameters of an earlier fit to start from as well. */
  readonly warm?: GpParameters | undefined
  /** Random starts besides the warm one and the prior's mode. */
  readonly draws: number
  readonly maxIterations: number
}

export interface GpFit {
  readonly parameters: GpParameters
  /** Log marginal likelihood of the targets, plus the log density of the priors but for constants. */
  readonly logPosterior: number
}

/**
 * Maximum a posteriori parameters by L-BFGS on their logarithms from several starts; the best end wins.
 * If no start has a factorisable covariance, the prior's mode is returned.
 */
export function fitGp(data: GpData, options: FitOptions, rng: Rng): GpFit {
  const posterior = new LogPosterior(data, options.noise)
  const mode = posterior.priorMode()
  const starts = [mode]
  if (options.warm !== undefined) starts.unshift(posterior.logParameters(options.warm))
  for (let i = 0; i < options.draws; i++) starts.push(posterior.draw(rng))
  let best = { x: mode, value: Number.POSITIVE_INFINITY }
  for (const start of starts) {
    const end = minimizeBounded(posterior, start, {
      maxIterations: options.maxIterations,
      gradientTolerance: 1e-2,
      valueTolerance: 1e-5,
      firstStep: 1,
    })
    if (end.value < best.value) best = end
  }
  return { parameters: posterior.parameters(best.x), logPosterior: -best.value }
}

/**
 * Minus the log posterior density of the logarithms of (lengthscales, outputscale, noise), and its gradient. The constant mean is
 * maximised over in closed form. Log marginal likelihood and gradient: Rasmussen & Williams 2006, eq. 5.8 and 5.9.
 */
export class LogPosterior {
  readonly low: Float64Array
  readonly high: Float64Array
  readonly #data: GpData
  readonly #noise: NoiseModel
  readonly #width: number
  readonly #factor: Float64Array
  readonly #scratch: Float64Array
  readonly #inverse: Float64Array
  /** √-free parts of the kernel's derivative by each pair: (5/3) s² (1 + t) exp(-t). */
  readonly #slopes: Float64Array
  readonly #scaled: Float64Array
  #mean = 0

  constructor(data: GpData, noise: NoiseModel) {
    this.#data = data
    this.#noise = noise
    this.#width = data.shape.numeric + data.shape.categorical
    const n = data.targets.length
    this.#factor = new Float64Array(packedOffset(n))
    this.#scratch = new Float64Array(packedOffset(n))
    this.#inverse = new Float64Array(packedOffset(n))
    this.#slopes = new Float64Array(packedOffset(n))
    this.#scaled = new Float64Array(n * this.#width)
    const noiseBounds = noise.kind === 'known' ? [1, 1] : [noise.floor, MAX_NOISE]
    const bounds = [...Array.from({ length: this.#width }, () => LENGTHSCALE_BOUNDS), OUTPUTSCALE_BOUNDS, noiseBounds]
    this.low = Float64Array.from(bounds, ([low]) => Math.log(low!))
    this.high = Float64Array.from(bounds, ([, high]) => Math.log(high!))
  }

  evaluate(x: Float64Array, gradient: Float64Array): number {
    const { shape, inputs, targets, noise } = this.#data
    const width = this.#width
    const n = targets.length
    const [factor, slopes, scaled, inverse] = [this.#factor, this.#slopes, this.#scaled, this.#inverse]
    const scales = x.map(Math.exp)
    const outputscale = scales[width]!
    const noiseFactor = scales[width + 1]!
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < width; k++) {
        const value = inputs[i * width + k]!
        scaled[i * width + k] = k < shape.numeric ? value / scales[k]! : value
      }
    }
    for (let i = 0, at = 0; i < n; i++, at++) {
      for (let j = 0; j < i; j++, at++) {
        let squared = 0
        for (let k = 0, a = i * width, b = j * width; k < width; k++, a++, b++) {
          if (k < shape.numeric) {
            const difference = scaled[a]! - scaled[b]!
            squared += difference * difference
          } else if (scaled[a] !== scaled[b]) squared += 1 / (scales[k]! * scales[k]!)
        }
        const t = Math.sqrt(5 * squared)
        const decay = outputscale * Math.exp(-t)
        factor[at] = (1 + t + (t * t) / 3) * decay
        slopes[at] = (5 / 3) * (1 + t) * decay
      }
      factor[at] = outputscale + noiseFactor * noise[i]! + JITTER
    }
    if (!choleskyRows(factor, 0, n)) return Number.POSITIVE_INFINITY

    // Generalised least squares for the mean, with its prior as one more observation of 0.
    const ones = new Float64Array(n).fill(1)
    const alpha = targets.slice()
    for (const b of [ones, alpha]) {
      solveLower(factor, n, b)
      solveLowerTransposed(factor, n, b)
    }
    const mean = sumOf(alpha) / (sumOf(ones) + MEAN_PRECISION)
    this.#mean = mean
    let fit = 0
    for (let i = 0; i < n; i++) {
      alpha[i] = alpha[i]! - mean * ones[i]!
      fit += alpha[i]! * (targets[i]! - mean)
    }
    let value = -0.5 * (fit + MEAN_PRECISION * mean * mean + logDeterminant(factor, n) + n * Math.log(2 * Math.PI))

    invertFromCholesky(factor, n, this.#scratch, inverse)
    gradient.fill(0)
    let byNoise = 0
    let diagonal = 0
    for (let i = 0, at = 0; i < n; i++, at++) {
      for (let j = 0; j < i; j++, at++) {
        const weight = (alpha[i]! * alpha[j]! - inverse[at]!) * slopes[at]!
        for (let k = 0, a = i * width, b = j * width; k < width; k++, a++, b++) {
          if (k < shape.numeric) {
            const difference = scaled[a]! - scaled[b]!
            gradient[k] = gradient[k]! - weight * difference * difference
          } else if (scaled[a] !== scaled[b]) gradient[k] = gradient[k]! - weight / (scales[k]! * scales[k]!)
        }
      }
      const excess = alpha[i]! * alpha[i]! - inverse[at]!
      byNoise += excess * noise[i]!
      diagonal += excess * (noiseFactor * noise[i]! + JITTER)
    }
    gradient[width] = -0.5 * (fit - n - diagonal)
    gradient[width + 1] = this.#noise.kind === 'known' ? 0 : -0.5 * noiseFactor * byNoise

    // Log densities of the priors in the parameters themselves; derivatives by their logarithms.
    const location = lengthscaleLocation(width)
    for (let k = 0; k < width; k++) {
      const z = (x[k]! - location) / LENGTHSCALE_SPREAD
      value += -x[k]! - 0.5 * z * z
      gradient[k] = gradient[k]! + 1 + z / LENGTHSCALE_SPREAD
    }
    value += x[width]! - outputscale
    gradient[width] = gradient[width]! - 1 + outputscale
    if (this.#noise.kind === 'estimated') {
      const z = (x[width + 1]! - NOISE_LOCATION) / NOISE_SPREAD
      value += -x[width + 1]! - 0.5 * z * z
      gradient[width + 1] = gradient[width + 1]! + 1 + z / NOISE_SPREAD
    }
    return -value
  }

  /** The prior's most probable parameters, as logarithms. */
  priorMode(): Float64Array {
    const x = new Float64Array(this.#width + 2).fill(lengthscaleLocation(this.#width) - LENGTHSCALE_SPREAD ** 2)
    x[this.#width] = 0
    x[this.#width + 1] = this.#noise.kind === 'known' ? 0 : NOISE_LOCATION - NOISE_SPREAD ** 2
    return this.#clip(x)
  }

  /** A draw from the prior of the lengthscales, narrowed to where fits end up; the rest at its mode. */
  draw(rng: Rng): Float64Array {
    const x = this.priorMode()
    for (let k = 0; k < this.#width; k++) x[k] = x[k]! + rng.normal()
    return this.#clip(x)
  }

  logParameters(parameters: GpParameters): Float64Array {
    return this.#clip(
      Float64Array.from([...parameters.lengthscales, parameters.outputscale, parameters.noise], Math.log),
    )
  }

  parameters(x: Float64Array): GpParameters {
    this.evaluate(x, new Float64Array(x.length))
    return {
      lengthscales: x.slice(0, this.#width).map(Math.exp),
      outputscale: Math.exp(x[this.#width]!),
      mean: this.#mean,
      noise: this.#noise.kind === 'known' ? 1 : Math.exp(x[this.#width + 1]!),
    }
  }

  #clip(x: Float64Array): Float64Array {
    return x.map((value, i) => Math.min(this.high[i]!, Math.max(this.low[i]!, value)))
  }
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0)
}
