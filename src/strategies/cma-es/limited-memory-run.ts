import { z } from 'zod'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import { MAX_LOG_STEP, recombinationWeights } from './cma-es-run.ts'
import type { DistributionConstants, SearchDistribution } from './search-distribution.ts'

/**
 * LM-MA-ES: instead of C, a transformation M with x = m + σ M z that is a product of m ≈ 3 ln n rank-one changes of the identity,
 * each a smoothed path of the mean with a horizon of its own. Time O(n log n) a sample, memory O(n log n), invariant under rotation.
 *
 * Reference: I. Loshchilov, T. Glasmachers, H.-G. Beyer, "Large Scale Black-box Optimization by Limited-Memory Matrix Adaptation",
 * IEEE TEC 23(2), 2019 (arXiv:1705.06693), Algorithm 2 and its default parameters.
 *
 * | symbol | here | |
 * |---|---|---|
 * | n, λ, μ, μ_w | `dimension`, `populationSize`, `parents`, `muEff` | |
 * | m_1 ... m_m | `#paths` | direction vectors, shortest horizon last |
 * | c_d,i = 1.5^{-(i-1)} / n | `cD` | how much of direction i a sample takes |
 * | c_c,i = 4^{-(i-1)} λ / n | `cC` | how fast direction i turns; at most 1, which it would pass for λ > n |
 * | c_σ = 2 λ / n | `cSigma` | at most 1 for the same reason |
 */
export class LimitedMemoryRun implements SearchDistribution {
  readonly constants: LimitedMemoryConstants
  readonly mean: Float64Array
  readonly sigma0: number
  #sigma: number
  #generation = 0
  readonly #paths: Float64Array[]
  readonly #pSigma: Float64Array
  /** Running mean of (M z)_i²: the diagonal of C = M Mᵀ costs O(n² log n) exactly, so it is estimated from the samples. */
  readonly #variances: Float64Array
  readonly #step: Float64Array // the mean's last step over σ

  constructor(mean: Float64Array, sigma: number, constants: LimitedMemoryConstants) {
    const n = mean.length
    this.constants = constants
    this.mean = mean.slice()
    this.sigma0 = sigma
    this.#sigma = sigma
    this.#paths = Array.from(constants.cC, () => new Float64Array(n))
    this.#pSigma = new Float64Array(n)
    this.#variances = new Float64Array(n).fill(1)
    this.#step = new Float64Array(n)
  }

  get sigma(): number {
    return this.#sigma
  }

  get generation(): number {
    return this.#generation
  }

  /** d = M z, shape (n,). Paths that have never been updated do not count. */
  direction(z: Float64Array): Float64Array {
    const d = z.slice()
    const used = Math.min(this.#generation, this.#paths.length)
    for (let j = 0; j < used; j++) {
      const path = this.#paths[j]!
      const c = this.constants.cD[j]!
      const push = c * dot(path, d)
      for (let i = 0; i < d.length; i++) d[i] = (1 - c) * d[i]! + push * path[i]!
    }
    return d
  }

  point(z: Float64Array): Float64Array {
    const x = this.direction(z)
    for (let i = 0; i < x.length; i++) x[i] = this.mean[i]! + this.#sigma * x[i]!
    return x
  }

  /** Undoes the factors (1 - c) I + c p pᵀ of `direction` from the last to the first (Sherman-Morrison). */
  coordinates(x: Float64Array): Float64Array {
    const z = x.map((v, i) => (v - this.mean[i]!) / this.#sigma)
    for (let j = Math.min(this.#generation, this.#paths.length) - 1; j >= 0; j--) {
      const path = this.#paths[j]!
      const c = this.constants.cD[j]!
      const pull = (c * dot(path, z)) / (1 - c + c * dot(path, path))
      for (let i = 0; i < z.length; i++) z[i] = (z[i]! - pull * path[i]!) / (1 - c)
    }
    return z
  }

  /** No negative weights here, so nothing has to be spared. */
  update(ranked: readonly Float64Array[]): void {
    const k = this.constants
    const n = this.mean.length
    if (ranked.length !== k.populationSize) {
      throw new RangeError(`Expected ${k.populationSize} ranked samples, got ${ranked.length}.`)
    }
    const zW = new Float64Array(n)
    this.#step.fill(0)
    const spread = new Float64Array(n)
    for (let s = 0; s < ranked.length; s++) {
      const z = ranked[s]!
      const d = this.direction(z)
      for (let i = 0; i < n; i++) spread[i]! += d[i]! ** 2
      if (s >= k.parents) continue
      const w = k.weights[s]!
      for (let i = 0; i < n; i++) {
        zW[i]! += w * z[i]!
        this.#step[i]! += w * d[i]!
      }
    }
    let length = 0
    const push = Math.sqrt(k.muEff * k.cSigma * (2 - k.cSigma))
    for (let i = 0; i < n; i++) {
      this.mean[i]! += this.#sigma * this.#step[i]!
      this.#pSigma[i] = (1 - k.cSigma) * this.#pSigma[i]! + push * zW[i]!
      length += this.#pSigma[i]! ** 2
      this.#variances[i]! += VARIANCE_RATE * (spread[i]! / ranked.length - this.#variances[i]!)
    }
    for (const [j, path] of this.#paths.entries()) {
      const c = k.cC[j]!
      const turn = Math.sqrt(k.muEff * c * (2 - c))
      for (let i = 0; i < n; i++) path[i] = (1 - c) * path[i]! + turn * zW[i]!
    }
    this.#sigma *= Math.exp(Math.min(MAX_LOG_STEP, (k.cSigma / k.dSigma) * (length / n - 1)))
    this.#generation++
  }

  inflate(factor: number): void {
    this.#sigma *= factor
  }

  /** The shape cannot be changed one coordinate at a time: σ shrinks until the widest coordinate fits. */
  limitDeviations(limit: number | Float64Array): void {
    let scale = 1
    for (let i = 0; i < this.mean.length; i++) {
      scale = Math.min(scale, (typeof limit === 'number' ? limit : limit[i]!) / this.deviation(i))
    }
    this.#sigma *= scale
  }

  /** An estimate, see `#variances`. */
  deviation(i: number): number {
    return this.#sigma * Math.sqrt(this.#variances[i]!)
  }

  pathStep(i: number): number {
    return this.#sigma * Math.sqrt(this.constants.muEff) * this.#step[i]!
  }

  /** σ M e_k: column k, not a principal axis. */
  axis(k: number): Float64Array {
    const unit = new Float64Array(this.mean.length)
    unit[k] = 1
    return this.direction(unit).map(v => this.#sigma * v)
  }

  /** Over the coordinates: principal axes are not known. */
  axisRange(): { readonly shortest: number; readonly longest: number } {
    let shortest = Number.POSITIVE_INFINITY
    let longest = 0
    for (const variance of this.#variances) {
      if (variance < shortest) shortest = variance
      if (variance > longest) longest = variance
    }
    return { shortest: Math.sqrt(shortest), longest: Math.sqrt(longest) }
  }

  snapshot(): LimitedMemoryRunState {
    return {
      populationSize: this.constants.populationSize,
      sigma0: this.sigma0,
      sigma: this.#sigma,
      generation: this.#generation,
      mean: encodeFloat64(this.mean),
      paths: this.#paths.map(encodeFloat64),
      pSigma: encodeFloat64(this.#pSigma),
      variances: encodeFloat64(this.#variances),
      step: encodeFloat64(this.#step),
    }
  }

  /** Continues bit by bit. @throws {RangeError} if an array does not have the size that `constants.dimension` asks for. */
  static restore(state: LimitedMemoryRunState, constants: LimitedMemoryConstants): LimitedMemoryRun {
    const n = constants.dimension
    const run = new LimitedMemoryRun(decodeFloat64(state.mean, n), state.sigma0, constants)
    run.#sigma = state.sigma
    run.#generation = state.generation
    if (state.paths.length !== run.#paths.length) {
      throw new RangeError(`Expected ${run.#paths.length} paths, got ${state.paths.length}.`)
    }
    for (const [j, path] of run.#paths.entries()) path.set(decodeFloat64(state.paths[j]!, n))
    run.#pSigma.set(decodeFloat64(state.pSigma, n))
    run.#variances.set(decodeFloat64(state.variances, n))
    run.#step.set(decodeFloat64(state.step, n))
    return run
  }
}

/** Averages over about 2/0.05 generations of λ samples each: the standard deviations come out within a few per cent. */
const VARIANCE_RATE = 0.05

/** Arrays as base64 of float64. */
export const limitedMemoryRunStateSchema = z.strictObject({
  populationSize: z.number().int(),
  sigma0: z.number(),
  sigma: z.number(),
  generation: z.number().int(),
  mean: z.string(),
  paths: z.array(z.string()),
  pSigma: z.string(),
  variances: z.string(),
  step: z.string(),
})
export type LimitedMemoryRunState = z.infer<typeof limitedMemoryRunStateSchema>

export interface LimitedMemoryConstants extends DistributionConstants {
  readonly cD: Float64Array // (m,)
  readonly cC: Float64Array // (m,)
}

export function limitedMemoryConstants(dimension: number, populationSize: number): LimitedMemoryConstants {
  const n = dimension
  const { parents, weights, muEff } = recombinationWeights(populationSize)
  const count = 4 + Math.floor(3 * Math.log(n))
  return {
    dimension,
    populationSize,
    parents,
    weights: weights.map(w => Math.max(0, w)),
    muEff,
    cSigma: Math.min(1, (2 * populationSize) / n),
    dSigma: 2,
    // n = 1 would give c_d,1 = 1, a factor p pᵀ without inverse.
    cD: Float64Array.from({ length: count }, (_, i) => Math.min(0.5, 1 / (1.5 ** i * n))),
    cC: Float64Array.from({ length: count }, (_, i) => Math.min(1, populationSize / (4 ** i * n))),
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
