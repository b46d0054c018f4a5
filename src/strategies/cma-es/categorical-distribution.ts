import { z } from 'zod'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import type { Rng } from '../../rng.ts'
import { discreteMargin } from './integer-margin.ts'

/**
 * Independent categorical distributions that learn by natural gradient steps of adaptive length, with a least probability for each choice.
 *
 * References: R. Hamano et al., "CatCMA with Margin", GECCO 2025 (arXiv:2504.07884); step lengths (ASNG):
 * Y. Akimoto, S. Shirakawa, N. Yoshinari, K. Uchida, S. Saito, K. Nishida, "Adaptive Stochastic Natural Gradient Method for
 * One-Shot Neural Architecture Search", ICML 2019, with its α = 1.5, δ_init = 1, Δ_max = ∞.
 *
 * | symbol | here | |
 * |---|---|---|
 * | q_ik | `#q[i][k]` | probability of choice k of gene i |
 * | G | `#gradient` | natural gradient Σ_j w_j (c_j - q) over the μ best |
 * | δ | `#step` | Fisher length of a step, 1/Δ; as in the authors' programs, q moves by the δ of the generation before |
 * | s, γ, Δ | `#path`, `#gamma`, `#slowness` | smoothed Fisher-normalised gradients, their expected length, and the divisor of the step |
 */
export class CategoricalDistribution {
  readonly #q: Float64Array[]
  readonly #least: readonly number[]
  readonly #path: Float64Array // (Σ (K_i - 1),)
  #gamma = 0
  #slowness = 1
  #step = 1

  /**
   * @param choiceCounts K_i of each gene.
   * @param discrete number of integer and categorical genes.
   * @param start probabilities, uniform unless given.
   */
  constructor(choiceCounts: readonly number[], discrete: number, start?: readonly Float64Array[]) {
    this.#least = choiceCounts.map(count => discreteMargin(discrete) / (count - 1))
    this.#q = choiceCounts.map((count, i) => start?.[i]?.slice() ?? new Float64Array(count).fill(1 / count))
    for (const i of choiceCounts.keys()) this.#keepMargin(i)
    this.#path = new Float64Array(choiceCounts.reduce((sum, count) => sum + count - 1, 0))
  }

  /** q_i, the probabilities of gene i, shape (K_i,). */
  probabilities(i: number): Float64Array {
    return this.#q[i]!.slice()
  }

  sample(rng: Rng): readonly number[] {
    return this.#q.map(q => {
      let left = rng.uniform()
      for (let k = 0; k < q.length - 1; k++) {
        left -= q[k]!
        if (left < 0) return k
      }
      return q.length - 1
    })
  }

  /** The most likely choice of each gene, the first of equals. */
  mode(): readonly number[] {
    return this.#q.map(q => q.reduce((best, p, k) => (p > q[best]! ? k : best), 0))
  }

  /**
   * One generation.
   * @param best choices of the μ best samples, best first.
   * @param weights positive, shape (>= μ,).
   */
  update(best: readonly (readonly number[])[], weights: ArrayLike<number>): void {
    const gradients = this.#q.map((q, i) => {
      const gradient = new Float64Array(q.length)
      for (const [j, choices] of best.entries()) {
        for (let k = 0; k < q.length; k++) gradient[k]! += weights[j]! * ((choices[i] === k ? 1 : 0) - q[k]!)
      }
      return gradient
    })
    // The root of the Fisher information of (q_1 ... q_{K-1}) applied to the gradient (Akimoto et al., appendix B).
    const normalized = new Float64Array(this.#path.length)
    let at = 0
    for (const [i, q] of this.#q.entries()) {
      const gradient = gradients[i]!
      const last = q.length - 1
      let sum = 0
      for (let k = 0; k < last; k++) sum += gradient[k]!
      const shared = sum / (q[last]! + Math.sqrt(q[last]!))
      for (let k = 0; k < last; k++) normalized[at++] = gradient[k]! / Math.sqrt(q[k]!) + Math.sqrt(q[k]!) * shared
    }
    const length = Math.sqrt(squaredNorm(normalized))
    if (length === 0) return // the samples are distributed exactly as q has it

    const rate = this.#step / (length + 1e-8)
    for (const [i, q] of this.#q.entries()) for (let k = 0; k < q.length; k++) q[k]! += rate * gradients[i]![k]!

    this.#step = 1 / this.#slowness
    const beta = this.#step / Math.sqrt(this.#path.length)
    const push = Math.sqrt(beta * (2 - beta)) / length
    for (let k = 0; k < this.#path.length; k++) this.#path[k] = (1 - beta) * this.#path[k]! + push * normalized[k]!
    this.#gamma = (1 - beta) ** 2 * this.#gamma + beta * (2 - beta)
    this.#slowness *= Math.exp(beta * (this.#gamma - squaredNorm(this.#path) / SIGNAL_TO_NOISE))
    for (const i of this.#q.keys()) this.#keepMargin(i)
  }

  /** Raises q_i to its least values and takes the excess from the others in proportion to what they have above it. */
  #keepMargin(i: number): void {
    const q = this.#q[i]!
    const least = this.#least[i]!
    let sum = 0
    for (let k = 0; k < q.length; k++) sum += q[k] = Math.max(q[k]!, least)
    const room = sum - least * q.length
    const excess = room > 0 ? (sum - 1) / room : 0
    let total = 0
    for (let k = 0; k < q.length; k++) total += q[k]! -= excess * (q[k]! - least)
    for (let k = 0; k < q.length; k++) q[k]! /= total
  }

  snapshot(): CategoricalState {
    return {
      probabilities: this.#q.map(encodeFloat64),
      path: encodeFloat64(this.#path),
      gamma: this.#gamma,
      slowness: this.#slowness,
      step: this.#step,
    }
  }

  restore(state: CategoricalState): void {
    for (const [i, q] of this.#q.entries()) q.set(decodeFloat64(state.probabilities[i] ?? '', q.length))
    this.#path.set(decodeFloat64(state.path, this.#path.length))
    this.#gamma = state.gamma
    this.#slowness = state.slowness
    this.#step = state.step
  }
}

export const categoricalStateSchema = z.strictObject({
  probabilities: z.array(z.string()), // by gene
  path: z.string(),
  gamma: z.number(),
  slowness: z.number(),
  step: z.number(),
})
export type CategoricalState = z.infer<typeof categoricalStateSchema>

/** ASNG's α: the squared length of the path, over that of a random walk, at which steps keep their length. */
const SIGNAL_TO_NOISE = 1.5

function squaredNorm(v: Float64Array): number {
  let sum = 0
  for (const x of v) sum += x * x
  return sum
}
