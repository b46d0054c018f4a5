import { z } from 'zod'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import { SymmetricEigen } from '../../numerics/symmetric-eigen.ts'
import type { DistributionConstants, SearchDistribution } from './search-distribution.ts'

/**
 * The (mu/mu_w, lambda)-CMA-ES with active covariance update: one run from a mean and a step size, in unbounded R^d.
 *
 * Reference: N. Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772; equation numbers below are the tutorial's.
 * Negative weights: G. A. Jastrebski, D. V. Arnold, CEC 2006, in the tutorial's form (eq. 46-53).
 *
 * | symbol | here | |
 * |---|---|---|
 * | n, λ, μ | `dimension`, `populationSize`, `parents` | |
 * | m, σ | `mean`, `sigma` | distribution N(m, σ² C) |
 * | C = B D² Bᵀ | `#c`; `#eigen.vectors` (rows are B's columns), `#axes` (D's diagonal) | |
 * | p_σ, p_c | `#pSigma`, `#pC` | evolution paths |
 * | z, y, x | N(0, I); y = B D z; x = m + σ y | |
 */
export class CmaEsRun implements SearchDistribution {
  readonly constants: CmaEsConstants
  readonly mean: Float64Array
  readonly sigma0: number
  #sigma: number
  #generation = 0
  #eigenGeneration = 0
  readonly #c: Float64Array // (n, n), lower triangle kept
  readonly #eigen: SymmetricEigen
  readonly #axes: Float64Array // (n,)
  readonly #pSigma: Float64Array
  readonly #pC: Float64Array

  /** @param covariance start of C, shape (n, n), lower triangle read, positive definite; the identity unless given. */
  constructor(mean: Float64Array, sigma: number, constants: CmaEsConstants, covariance?: Float64Array) {
    const n = mean.length
    this.constants = constants
    this.mean = mean.slice()
    this.sigma0 = sigma
    this.#sigma = sigma
    this.#c = covariance?.slice() ?? identity(n)
    this.#eigen = new SymmetricEigen(n)
    this.#axes = new Float64Array(n)
    this.#decompose()
    this.#pSigma = new Float64Array(n)
    this.#pC = new Float64Array(n)
  }

  get sigma(): number {
    return this.#sigma
  }

  /** Updates so far. */
  get generation(): number {
    return this.#generation
  }

  /** y = B D z, shape (n,) (eq. 38, 39). */
  direction(z: Float64Array): Float64Array {
    const n = z.length
    const b = this.#eigen.vectors
    const y = new Float64Array(n)
    for (let k = 0; k < n; k++) {
      const dz = this.#axes[k]! * z[k]!
      for (let i = 0; i < n; i++) y[i]! += dz * b[k * n + i]!
    }
    return y
  }

  /** x = m + σ B D z (eq. 40). */
  point(z: Float64Array): Float64Array {
    const x = this.direction(z)
    for (let i = 0; i < x.length; i++) x[i] = this.mean[i]! + this.#sigma * x[i]!
    return x
  }

  /** z = D^{-1} Bᵀ (x - m) / σ, the inverse of `point`. */
  coordinates(x: Float64Array): Float64Array {
    const n = x.length
    const b = this.#eigen.vectors
    const z = new Float64Array(n)
    for (let k = 0; k < n; k++) {
      let sum = 0
      for (let i = 0; i < n; i++) sum += b[k * n + i]! * (x[i]! - this.mean[i]!)
      z[k] = sum / (this.#axes[k]! * this.#sigma)
    }
    return z
  }

  /**
   * One generation.
   * @param ranked the λ standard normal vectors z behind the generation's points, shape (n,) each, best first.
   * @param spared positions in `ranked` whose negative weight is left out.
   */
  update(ranked: readonly Float64Array[], spared?: ReadonlySet<number>): void {
    const k = this.constants
    const n = this.mean.length
    if (ranked.length !== k.populationSize) {
      throw new RangeError(`Expected ${k.populationSize} ranked samples, got ${ranked.length}.`)
    }
    const directions = ranked.map(z => this.direction(z))
    const yW = new Float64Array(n)
    const zW = new Float64Array(n)
    for (let i = 0; i < k.parents; i++) {
      const w = k.weights[i]!
      for (let j = 0; j < n; j++) {
        yW[j]! += w * directions[i]![j]!
        zW[j]! += w * ranked[i]![j]!
      }
    }
    for (let j = 0; j < n; j++) this.mean[j]! += this.#sigma * yW[j]! // eq. 42, c_m = 1

    // p_σ ← (1 - c_σ) p_σ + sqrt(c_σ (2 - c_σ) μ_eff) C^{-1/2} y_w (eq. 43), where C^{-1/2} y_w = B z_w.
    const b = this.#eigen.vectors
    const keepSigma = 1 - k.cSigma
    const pushSigma = Math.sqrt(k.cSigma * (2 - k.cSigma) * k.muEff)
    for (let j = 0; j < n; j++) this.#pSigma[j]! *= keepSigma
    for (let axis = 0; axis < n; axis++) {
      const push = pushSigma * zW[axis]!
      for (let j = 0; j < n; j++) this.#pSigma[j]! += push * b[axis * n + j]!
    }
    const length = norm(this.#pSigma)
    this.#sigma *= Math.exp(Math.min(MAX_LOG_STEP, (k.cSigma / k.dSigma) * (length / k.chiN - 1))) // eq. 44

    // h_σ stalls the update of p_c while p_σ is long, that is while σ is far too small.
    const settled = Math.sqrt(1 - (1 - k.cSigma) ** (2 * (this.#generation + 1)))
    const hSigma = length / settled < (1.4 + 2 / (n + 1)) * k.chiN ? 1 : 0
    const pushC = hSigma * Math.sqrt(k.cC * (2 - k.cC) * k.muEff)
    for (let j = 0; j < n; j++) this.#pC[j] = (1 - k.cC) * this.#pC[j]! + pushC * yW[j]! // eq. 45

    // Negative weights are scaled by n / |C^{-1/2} y|² = n / |z|², so that C stays positive definite (eq. 46).
    const nominal = spared === undefined ? k.weights : k.weights.map((w, i) => (w < 0 && spared.has(i) ? 0 : w))
    const weightSum = spared === undefined ? k.weightSum : nominal.reduce((sum, w) => sum + w, 0)
    const weights = nominal.map((w, i) => (w >= 0 ? w : (w * n) / (squaredNorm(ranked[i]!) + 1e-8)))
    const keep = 1 + k.c1 * (1 - hSigma) * k.cC * (2 - k.cC) - k.c1 - k.cMu * weightSum // eq. 47
    const c = this.#c
    for (let i = 0; i < n; i++) {
      const row = i * n
      const rankOne = k.c1 * this.#pC[i]!
      for (let j = 0; j <= i; j++) c[row + j] = keep * c[row + j]! + rankOne * this.#pC[j]!
    }
    for (let s = 0; s < weights.length; s++) {
      const y = directions[s]!
      const w = k.cMu * weights[s]!
      if (w === 0) continue
      for (let i = 0; i < n; i++) {
        const wy = w * y[i]!
        const row = i * n
        for (let j = 0; j <= i; j++) c[row + j]! += wy * y[j]!
      }
    }
    this.#generation++
    // The decomposition costs O(n³), an update O(λ n²): decompose only when C has changed noticeably.
    if (this.#generation - this.#eigenGeneration > k.lazyGap) this.#decompose()
  }

  /** Enlarges the step size, for a generation in which ranking said nothing. */
  inflate(factor: number): void {
    this.#sigma *= factor
  }

  /**
   * Lowers every coordinate's standard deviation σ sqrt(C_ii) to at most `limit`, by a congruence, so that C stays positive definite.
   * @param limit one for all coordinates, or shape (n,).
   */
  limitDeviations(limit: number | Float64Array): void {
    const n = this.mean.length
    const scales = Float64Array.from({ length: n }, (_, i) =>
      Math.min(1, (typeof limit === 'number' ? limit : limit[i]!) / this.deviation(i)),
    )
    if (scales.every(scale => scale === 1)) return
    for (let i = 0; i < n; i++) {
      this.#pC[i]! *= scales[i]!
      for (let j = 0; j <= i; j++) this.#c[i * n + j]! *= scales[i]! * scales[j]!
    }
    this.#decompose()
  }

  /** σ² C, shape (n, n), symmetric. */
  covariance(): Float64Array {
    const n = this.mean.length
    const whole = new Float64Array(n * n)
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) whole[i * n + j] = whole[j * n + i] = this.#sigma ** 2 * this.#c[i * n + j]!
    }
    return whole
  }

  /** (σ² C)^{-1/2}, the symmetric root, shape (n, n), from the last decomposition. */
  whitening(): Float64Array {
    const n = this.mean.length
    const b = this.#eigen.vectors
    const root = new Float64Array(n * n)
    for (let k = 0; k < n; k++) {
      const shrink = 1 / (this.#sigma * this.#axes[k]!)
      for (let i = 0; i < n; i++) {
        const push = shrink * b[k * n + i]!
        for (let j = 0; j < n; j++) root[i * n + j]! += push * b[k * n + j]!
      }
    }
    return root
  }

  /**
   * Replaces the distribution, the paths excepted, by N(`mean`, `covariance`), with C of determinant 1 where rounding allows.
   * @param covariance shape (n, n), lower triangle read, positive definite.
   */
  adopt(mean: Float64Array, covariance: Float64Array): void {
    const n = mean.length
    this.mean.set(mean)
    this.#eigen.decompose(covariance)
    const floor = this.#eigen.values[n - 1]! * 1e-18
    const logDeterminant = this.#eigen.values.reduce((sum, value) => sum + Math.log(Math.max(value, floor)), 0)
    this.#sigma = Math.exp(logDeterminant / (2 * n))
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) this.#c[i * n + j] = covariance[i * n + j]! / this.#sigma ** 2
    }
    this.#decompose()
  }

  /** σ sqrt(C_ii): standard deviation of coordinate i. */
  deviation(i: number): number {
    return this.#sigma * Math.sqrt(this.#c[i * this.mean.length + i]!)
  }

  /** σ p_c,i: the mean's recent steps in coordinate i. */
  pathStep(i: number): number {
    return this.#sigma * this.#pC[i]!
  }

  /** σ D_k b_k, shape (n,): principal axis k as a step in x. */
  axis(k: number): Float64Array {
    const n = this.mean.length
    const length = this.#sigma * this.#axes[k]!
    return this.#eigen.vectors.subarray(k * n, (k + 1) * n).map(component => length * component)
  }

  /** Shortest and longest D_k. */
  axisRange(): { readonly shortest: number; readonly longest: number } {
    return { shortest: this.#axes[0]!, longest: this.#axes.at(-1)! }
  }

  snapshot(): CmaEsRunState {
    const n = this.mean.length
    const packed = new Float64Array((n * (n + 1)) / 2)
    for (let i = 0, at = 0; i < n; i++) for (let j = 0; j <= i; j++) packed[at++] = this.#c[i * n + j]!
    return {
      populationSize: this.constants.populationSize,
      sigma0: this.sigma0,
      sigma: this.#sigma,
      generation: this.#generation,
      eigenGeneration: this.#eigenGeneration,
      mean: encodeFloat64(this.mean),
      covariance: encodeFloat64(packed),
      axes: encodeFloat64(this.#axes),
      vectors: encodeFloat64(this.#eigen.vectors),
      pSigma: encodeFloat64(this.#pSigma),
      pC: encodeFloat64(this.#pC),
    }
  }

  /** Continues bit by bit. @throws {RangeError} if an array does not have the size that `constants.dimension` asks for. */
  static restore(state: CmaEsRunState, constants: CmaEsConstants): CmaEsRun {
    const n = constants.dimension
    const run = new CmaEsRun(decodeFloat64(state.mean, n), state.sigma0, constants)
    run.#sigma = state.sigma
    run.#generation = state.generation
    run.#eigenGeneration = state.eigenGeneration
    const packed = decodeFloat64(state.covariance, (n * (n + 1)) / 2)
    for (let i = 0, at = 0; i < n; i++) for (let j = 0; j <= i; j++) run.#c[i * n + j] = packed[at++]!
    run.#axes.set(decodeFloat64(state.axes, n))
    run.#eigen.vectors.set(decodeFloat64(state.vectors, n * n))
    run.#pSigma.set(decodeFloat64(state.pSigma, n))
    run.#pC.set(decodeFloat64(state.pC, n))
    return run
  }

  #decompose(): void {
    const n = this.mean.length
    this.#eigen.decompose(this.#c)
    const { values } = this.#eigen
    // Rounding can push the smallest eigenvalues of a very long ellipsoid below zero; lift C to a condition number of 1e18.
    const floor = values[n - 1]! * 1e-18
    const lift = floor - values[0]!
    if (lift > 0) for (let i = 0; i < n; i++) this.#c[i * n + i]! += lift
    for (let i = 0; i < n; i++) this.#axes[i] = Math.sqrt(values[i]! + Math.max(0, lift))
    this.#eigenGeneration = this.#generation
  }
}

/** The state of a run, arrays as base64 of float64, the covariance as its packed lower triangle. */
export const cmaEsRunStateSchema = z.strictObject({
  populationSize: z.number().int(),
  sigma0: z.number(),
  sigma: z.number(),
  generation: z.number().int(),
  eigenGeneration: z.number().int(),
  mean: z.string(),
  covariance: z.string(),
  axes: z.string(),
  vectors: z.string(),
  pSigma: z.string(),
  pC: z.string(),
})
export type CmaEsRunState = z.infer<typeof cmaEsRunStateSchema>

/** ln σ grows by at most this per generation: a first lucky step must not send σ away. */
export const MAX_LOG_STEP = 1

export interface CmaEsConstants extends DistributionConstants {
  readonly weightSum: number
  readonly cC: number
  readonly c1: number
  readonly cMu: number
  readonly chiN: number // E|N(0, I)|
  readonly lazyGap: number // generations a decomposition of C may be old
}

/** λ = 4 + floor(3 ln n) (eq. 48). */
export function defaultPopulationSize(dimension: number): number {
  return 4 + Math.floor(3 * Math.log(dimension))
}

/** Weights before the negative ones are scaled: positive ones sum to 1, negative ones to -1 (eq. 49, 53). Shape (λ,). */
export function recombinationWeights(populationSize: number): {
  readonly parents: number
  readonly weights: Float64Array
  readonly muEff: number
  readonly muEffMinus: number // of the negative ones
} {
  const lambda = populationSize
  const parents = Math.floor(lambda / 2)
  const raw = Float64Array.from({ length: lambda }, (_, i) => Math.log((lambda + 1) / 2) - Math.log(i + 1))
  const positiveSum = raw.reduce((sum, w) => sum + Math.max(0, w), 0)
  const negativeSum = raw.reduce((sum, w) => sum + Math.max(0, -w), 0)
  return {
    parents,
    weights: raw.map(w => w / (w >= 0 ? positiveSum : negativeSum)),
    muEff: effectiveSize(raw.subarray(0, parents)),
    muEffMinus: effectiveSize(raw.subarray(parents)),
  }
}

/** The sum of the absolute negative weights: as much as keeps C positive definite and in balance with the positive ones (eq. 50-52). */
export function negativeShare(dimension: number, populationSize: number, c1: number, cMu: number): number {
  const { muEff, muEffMinus } = recombinationWeights(populationSize)
  return Math.min(1 + c1 / cMu, 1 + (2 * muEffMinus) / (muEff + 2), (1 - c1 - cMu) / (dimension * cMu))
}

/** Default strategy parameters (tutorial, Table 1). */
export function cmaEsConstants(dimension: number, populationSize: number, active: boolean): CmaEsConstants {
  const n = dimension
  const { parents, weights: unscaled, muEff } = recombinationWeights(populationSize)
  const cSigma = (muEff + 2) / (n + muEff + 3)
  const dSigma = 1 + 2 * Math.max(0, Math.sqrt((muEff - 1) / (n + 1)) - 1) + cSigma // eq. 55
  const cC = (4 + muEff / n) / (n + 4 + (2 * muEff) / n) // eq. 56
  const c1 = (Math.min(1, populationSize / 6) * 2) / ((n + 1.3) ** 2 + muEff) // eq. 57, slower for tiny populations
  const cMu = Math.min(1 - c1, (2 * (0.25 + muEff - 2 + 1 / muEff)) / ((n + 2) ** 2 + muEff)) // eq. 58, α_cov = 2
  const negative = active ? negativeShare(n, populationSize, c1, cMu) : 0
  const weights = unscaled.map(w => (w >= 0 ? w : negative * w))
  return {
    dimension,
    populationSize,
    parents,
    weights,
    weightSum: weights.reduce((sum, w) => sum + w, 0),
    muEff,
    cSigma,
    dSigma,
    cC,
    c1,
    cMu,
    chiN: Math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n)),
    lazyGap: 1 / (10 * n * (c1 + cMu)),
  }
}

/** (Σ w)² / Σ w². */
function effectiveSize(weights: Float64Array): number {
  const sum = weights.reduce((total, w) => total + w, 0)
  return (sum * sum) / squaredNorm(weights)
}

function identity(n: number): Float64Array {
  const matrix = new Float64Array(n * n)
  for (let i = 0; i < n; i++) matrix[i * n + i] = 1
  return matrix
}

function squaredNorm(v: Float64Array): number {
  let sum = 0
  for (let i = 0; i < v.length; i++) sum += v[i]! * v[i]!
  return sum
}

function norm(v: Float64Array): number {
  return Math.sqrt(squaredNorm(v))
}
