import { z } from 'zod'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import { type CmaEsConstants, cmaEsConstants, MAX_LOG_STEP, negativeShare } from './cma-es-run.ts'
import type { SearchDistribution } from './search-distribution.ts'

/**
 * CMA-ES with a diagonal covariance: time and memory O(n) a sample, and learning rates that are about n/3 times as large. Right where
 * the loss is nearly separable or n too large to learn n² entries.
 *
 * Reference: R. Ros, N. Hansen, "A Simple Modification in CMA-ES Achieving Linear Time and Space Complexity", PPSN 2008. Symbols as
 * in `CmaEsRun`, with C = diag(c). The learning rates are those of N. Hansen's pycma, where c_c ~ 1/sqrt(n) instead of 4/n.
 */
export class SeparableRun implements SearchDistribution {
  readonly constants: CmaEsConstants
  readonly mean: Float64Array
  readonly sigma0: number
  #sigma: number
  #generation = 0
  readonly #c: Float64Array // (n,)
  readonly #pSigma: Float64Array
  readonly #pC: Float64Array

  /** @param variances start of c, shape (n,); ones unless given. */
  constructor(mean: Float64Array, sigma: number, constants: CmaEsConstants, variances?: Float64Array) {
    this.constants = constants
    this.mean = mean.slice()
    this.sigma0 = sigma
    this.#sigma = sigma
    this.#c = variances?.slice() ?? new Float64Array(mean.length).fill(1)
    this.#pSigma = new Float64Array(mean.length)
    this.#pC = new Float64Array(mean.length)
  }

  get sigma(): number {
    return this.#sigma
  }

  get generation(): number {
    return this.#generation
  }

  point(z: Float64Array): Float64Array {
    return z.map((v, i) => this.mean[i]! + this.deviation(i) * v)
  }

  coordinates(x: Float64Array): Float64Array {
    return x.map((v, i) => (v - this.mean[i]!) / this.deviation(i))
  }

  update(ranked: readonly Float64Array[], spared?: ReadonlySet<number>): void {
    const k = this.constants
    const n = this.mean.length
    if (ranked.length !== k.populationSize) {
      throw new RangeError(`Expected ${k.populationSize} ranked samples, got ${ranked.length}.`)
    }
    const zW = new Float64Array(n)
    for (let i = 0; i < k.parents; i++) for (let j = 0; j < n; j++) zW[j]! += k.weights[i]! * ranked[i]![j]!

    const pushSigma = Math.sqrt(k.cSigma * (2 - k.cSigma) * k.muEff)
    let squared = 0
    for (let j = 0; j < n; j++) {
      this.mean[j]! += this.deviation(j) * zW[j]!
      this.#pSigma[j] = (1 - k.cSigma) * this.#pSigma[j]! + pushSigma * zW[j]! // C^{-1/2} y_w = z_w
      squared += this.#pSigma[j]! ** 2
    }
    const length = Math.sqrt(squared)
    const settled = Math.sqrt(1 - (1 - k.cSigma) ** (2 * (this.#generation + 1)))
    const hSigma = length / settled < (1.4 + 2 / (n + 1)) * k.chiN ? 1 : 0
    const pushC = hSigma * Math.sqrt(k.cC * (2 - k.cC) * k.muEff)

    const weights = ranked.map((z, s) => {
      const w = k.weights[s]!
      if (w >= 0) return w
      return spared?.has(s) ? 0 : (w * n) / (z.reduce((sum, v) => sum + v * v, 0) + 1e-8)
    })
    const counted = k.weights.reduce((sum, w, s) => (w < 0 && spared?.has(s) ? sum : sum + w), 0)
    const keep = 1 + k.c1 * (1 - hSigma) * k.cC * (2 - k.cC) - k.c1 - k.cMu * counted
    for (let j = 0; j < n; j++) {
      const variance = this.#c[j]!
      this.#pC[j] = (1 - k.cC) * this.#pC[j]! + pushC * Math.sqrt(variance) * zW[j]!
      let rankMu = 0
      for (let s = 0; s < weights.length; s++) rankMu += weights[s]! * ranked[s]![j]! ** 2
      this.#c[j] = keep * variance + k.c1 * this.#pC[j]! ** 2 + k.cMu * rankMu * variance
    }
    this.#sigma *= Math.exp(Math.min(MAX_LOG_STEP, (k.cSigma / k.dSigma) * (length / k.chiN - 1)))
    this.#generation++
  }

  inflate(factor: number): void {
    this.#sigma *= factor
  }

  limitDeviations(limit: number | Float64Array): void {
    for (let i = 0; i < this.mean.length; i++) {
      const scale = (typeof limit === 'number' ? limit : limit[i]!) / this.deviation(i)
      if (scale >= 1) continue
      this.#c[i]! *= scale * scale
      this.#pC[i]! *= scale
    }
  }

  deviation(i: number): number {
    return this.#sigma * Math.sqrt(this.#c[i]!)
  }

  pathStep(i: number): number {
    return this.#sigma * this.#pC[i]!
  }

  axis(k: number): Float64Array {
    const axis = new Float64Array(this.mean.length)
    axis[k] = this.deviation(k)
    return axis
  }

  axisRange(): { readonly shortest: number; readonly longest: number } {
    let shortest = Number.POSITIVE_INFINITY
    let longest = 0
    for (const variance of this.#c) {
      if (variance < shortest) shortest = variance
      if (variance > longest) longest = variance
    }
    return { shortest: Math.sqrt(shortest), longest: Math.sqrt(longest) }
  }

  snapshot(): SeparableRunState {
    return {
      populationSize: this.constants.populationSize,
      sigma0: this.sigma0,
      sigma: this.#sigma,
      generation: this.#generation,
      mean: encodeFloat64(this.mean),
      variances: encodeFloat64(this.#c),
      pSigma: encodeFloat64(this.#pSigma),
      pC: encodeFloat64(this.#pC),
    }
  }

  /** Continues bit by bit. @throws {RangeError} if an array does not have the size that `constants.dimension` asks for. */
  static restore(state: SeparableRunState, constants: CmaEsConstants): SeparableRun {
    const n = constants.dimension
    const run = new SeparableRun(
      decodeFloat64(state.mean, n),
      state.sigma0,
      constants,
      decodeFloat64(state.variances, n),
    )
    run.#sigma = state.sigma
    run.#generation = state.generation
    run.#pSigma.set(decodeFloat64(state.pSigma, n))
    run.#pC.set(decodeFloat64(state.pC, n))
    return run
  }
}

/** Arrays as base64 of float64. */
export const separableRunStateSchema = z.strictObject({
  populationSize: z.number().int(),
  sigma0: z.number(),
  sigma: z.number(),
  generation: z.number().int(),
  mean: z.string(),
  variances: z.string(),
  pSigma: z.string(),
  pC: z.string(),
})
export type SeparableRunState = z.infer<typeof separableRunStateSchema>

/** The constants of the full algorithm with faster learning of C: it has n entries, not n (n + 1) / 2. */
export function separableConstants(dimension: number, populationSize: number, active: boolean): CmaEsConstants {
  const n = dimension
  const full = cmaEsConstants(n, populationSize, active)
  const { muEff } = full
  const root = Math.sqrt(n)
  const cC = (1 + 1 / n + muEff / n) / (root + 1 / n + (2 * muEff) / n)
  const c1 = 1 / (n + 2 * root + muEff / n)
  const cMu = Math.min(1 - c1, (0.25 + muEff + 1 / muEff - 2) / (n + 4 * root + muEff / 2))
  const weights = full.weights.slice()
  const negative = -weights.reduce((sum, w) => sum + Math.min(0, w), 0)
  if (negative > 0) {
    const share = negativeShare(n, populationSize, c1, cMu)
    for (let i = 0; i < weights.length; i++) if (weights[i]! < 0) weights[i]! *= share / negative
  }
  return { ...full, cC, c1, cMu, weights, weightSum: weights.reduce((sum, w) => sum + w, 0) }
}
