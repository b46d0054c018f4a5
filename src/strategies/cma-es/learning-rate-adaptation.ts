import { z } from 'zod'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import type { CmaEsRun } from './cma-es-run.ts'

/**
 * LRA-CMA-ES: learning rates for mean and covariance that keep the signal-to-noise ratio of the updates constant. Where noise or many
 * local optima make the updates contradict each other, steps become short and their average counts.
 *
 * Reference: M. Nomura, Y. Akimoto, I. Ono, "CMA-ES with Learning Rate Adaptation: Can CMA-ES with Default Population Size Solve
 * Multimodal and Noisy Problems?", GECCO 2023 (arXiv:2304.03473), Algorithm 1 with its default parameters.
 *
 * | symbol | here | |
 * |---|---|---|
 * | Δ̃_m, Δ̃_Σ | `localMean`, `localCovariance` | the update in the coordinates of Σ = σ² C before it: Σ^{-1/2} Δm, Σ^{-1/2} ΔΣ Σ^{-1/2} / sqrt(2) |
 * | E, V | `average`, `power` of a `Rate` | smoothed update and smoothed squared length |
 * | η | `eta` of a `Rate` | learning rate, at most 1 |
 */
export class LearningRateAdaptation {
  readonly #mean: Rate
  readonly #covariance: Rate

  constructor(dimension: number) {
    this.#mean = new Rate(dimension, 0.1)
    this.#covariance = new Rate(dimension * dimension, 0.03)
  }

  /** η_m and η_Σ. */
  get rates(): { readonly mean: number; readonly covariance: number } {
    return { mean: this.#mean.eta, covariance: this.#covariance.eta }
  }

  /**
   * Lets `update` change the run and takes the share of the change that the learning rates say.
   */
  step(run: CmaEsRun, update: () => void): void {
    const n = run.mean.length
    const mean = run.mean.slice()
    const covariance = run.covariance()
    const root = run.whitening()
    update()
    const meanStep = run.mean.map((m, i) => m - mean[i]!)
    const covarianceStep = run.covariance().map((c, i) => c - covariance[i]!)
    const localMean = new Float64Array(n)
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) localMean[i]! += root[i * n + j]! * meanStep[j]!
    const localCovariance = multiply(multiply(root, covarianceStep, n), root, n).map(v => v / Math.SQRT2)

    const before = this.#mean.eta
    this.#mean.adapt(localMean)
    this.#covariance.adapt(localCovariance)
    const { mean: etaMean, covariance: etaCovariance } = this.rates
    run.adopt(
      mean.map((m, i) => m + etaMean * meanStep[i]!),
      covariance.map((c, i) => c + etaCovariance * covarianceStep[i]!),
    )
    run.inflate(before / etaMean) // the best step size is proportional to 1/η_m
  }

  snapshot(): LearningRateState {
    return { mean: this.#mean.snapshot(), covariance: this.#covariance.snapshot() }
  }

  restore(state: LearningRateState): void {
    this.#mean.restore(state.mean)
    this.#covariance.restore(state.covariance)
  }
}

const rateSchema = z.strictObject({ eta: z.number(), power: z.number(), average: z.string() })
export const learningRateStateSchema = z.strictObject({ mean: rateSchema, covariance: rateSchema })
export type LearningRateState = z.infer<typeof learningRateStateSchema>

const SIGNAL_TO_NOISE = 1.4 // α, aimed at
const ADAPTATION = 0.1 // γ

class Rate {
  readonly #smoothing: number // β
  readonly #average: Float64Array
  #power = 0
  #eta = 1

  constructor(size: number, smoothing: number) {
    this.#smoothing = smoothing
    this.#average = new Float64Array(size)
  }

  get eta(): number {
    return this.#eta
  }

  /** @param change the local update. */
  adapt(change: Float64Array): void {
    const beta = this.#smoothing
    const average = this.#average
    let squared = 0
    let squaredAverage = 0
    for (let i = 0; i < change.length; i++) {
      average[i] = (1 - beta) * average[i]! + beta * change[i]!
      squared += change[i]! ** 2
      squaredAverage += average[i]! ** 2
    }
    this.#power = (1 - beta) * this.#power + beta * squared
    const signal = squaredAverage - (beta / (2 - beta)) * this.#power
    const noise = this.#power - squaredAverage
    // Noise that rounding made zero or negative: all signal, unless nothing moved at all.
    const ratio = noise > 0 ? signal / noise : signal > 0 ? Number.POSITIVE_INFINITY : SIGNAL_TO_NOISE * this.#eta
    const relative = Math.min(1, Math.max(-1, ratio / (SIGNAL_TO_NOISE * this.#eta) - 1))
    this.#eta = Math.min(1, this.#eta * Math.exp(Math.min(ADAPTATION * this.#eta, beta) * relative))
  }

  snapshot(): z.infer<typeof rateSchema> {
    return { eta: this.#eta, power: this.#power, average: encodeFloat64(this.#average) }
  }

  restore(state: z.infer<typeof rateSchema>): void {
    this.#eta = state.eta
    this.#power = state.power
    this.#average.set(decodeFloat64(state.average, this.#average.length))
  }
}

/** A B, shape (n, n) each. */
function multiply(a: Float64Array, b: Float64Array, n: number): Float64Array {
  const product = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const factor = a[i * n + k]!
      for (let j = 0; j < n; j++) product[i * n + j]! += factor * b[k * n + j]!
    }
  }
  return product
}
