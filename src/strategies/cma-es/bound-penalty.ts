import { z } from 'zod'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'

/**
 * Adaptive penalty for leaving the box: a sample outside is scored at the nearest point inside, and its loss raised by
 * (1/n) Σ_i γ_i v_i² for its violation v. The weights γ start at the scale of the losses' spread and grow where the mean stays outside.
 * The distribution may put its mean on or slightly beyond a bound, which suits optima on the boundary.
 *
 * Reference: N. Hansen, A. S. P. Niederberger, L. Guzzella, P. Koumoutsakos, "A Method for Handling Uncertainty in Evolutionary
 * Optimization With an Application to Feedback Control of Combustion", IEEE TEC 13(1), 2009, section IV-B and addendum, with the
 * faster rule for γ of N. Hansen's pycma.
 */
export class BoundPenalty {
  /** γ, shape (n,); `undefined` until the mean first leaves the box. */
  #weights: Float64Array | undefined
  /** Spreads of recent generations' losses over the mean variance of a coordinate, newest first. */
  #spreads: number[] = []
  #updates = 0

  /**
   * Takes note of a generation, before its penalties are asked for.
   * @param losses shape (λ,), any order, `Infinity` for failed samples.
   * @param violation of the mean, shape (n,).
   * @param deviation standard deviation of coordinate i.
   */
  update(losses: readonly number[], violation: Float64Array, deviation: (i: number) => number, muEff: number): void {
    const n = violation.length
    const lambda = losses.length
    this.#updates++
    let variance = 0
    for (let i = 0; i < n; i++) variance += deviation(i) ** 2 / n
    const ascending = [...losses].sort((a, b) => a - b)
    const spread =
      (ascending[Math.floor((3 * (lambda + 1)) / 4)]! - ascending[Math.floor((lambda + 1) / 4)]!) / variance
    if (Number.isFinite(spread) && spread > 0) this.#spreads.unshift(spread)
    else if (spread === Number.POSITIVE_INFINITY && this.#spreads.length > 1)
      this.#spreads.unshift(Math.max(...this.#spreads))
    if (this.#spreads.length > 20 + (3 * n) / lambda) this.#spreads.pop()
    if (this.#spreads.length === 0) return

    const scale = median(this.#spreads)
    // The first generation's spread is no measure yet: the weights are set once more after the second.
    if (violation.some(v => v !== 0) && (this.#weights === undefined || this.#updates === 2)) {
      this.#weights = new Float64Array(n).fill(2 * scale)
    }
    if (this.#weights === undefined) return
    const damping = Math.min(1, muEff / (10 * n))
    const random = 3 * Math.max(1, Math.sqrt(n) / muEff) // as far as a random walk would get, in deviations
    for (let i = 0; i < n; i++) {
      const far = Math.abs(violation[i]!) / deviation(i) - random
      if (far > 0) this.#weights[i]! *= Math.exp((damping * Math.tanh(far / 3)) / 2)
      if (this.#weights[i]! > 5 * scale) this.#weights[i]! *= Math.exp(-damping / 3)
    }
  }

  /** What a sample's loss is raised by. */
  penalty(violation: Float64Array): number {
    // On a plateau the violation alone decides, lest the mean walk away from the box.
    const plateau = this.#spreads.length === 0
    if (this.#weights === undefined && !plateau) return 0
    let sum = 0
    for (let i = 0; i < violation.length; i++) sum += (this.#weights?.[i] ?? 1) * violation[i]! ** 2
    return sum / violation.length
  }

  snapshot(): BoundPenaltyState {
    return {
      weights: this.#weights === undefined ? null : encodeFloat64(this.#weights),
      spreads: encodeFloat64(Float64Array.from(this.#spreads)),
      updates: this.#updates,
    }
  }

  restore(state: BoundPenaltyState): void {
    this.#weights = state.weights === null ? undefined : decodeFloat64(state.weights)
    this.#spreads = [...decodeFloat64(state.spreads)]
    this.#updates = state.updates
  }
}

export const boundPenaltyStateSchema = z.strictObject({
  weights: z.string().nullable(), // null before the first violation
  spreads: z.string(),
  updates: z.number().int(),
})
export type BoundPenaltyState = z.infer<typeof boundPenaltyStateSchema>

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
