import type { Rng } from '../rng.ts'

/**
 * ParEGO's scalar loss for one random weight vector: losses to [0, 1] by their range, then max_i w_i n_i + 0.05 Σ_i w_i n_i, weights uniform
 * on the simplex (J. Knowles, "ParEGO", IEEE TEC 10(1), 2006, eq. 2). Over many draws the minima spread along the whole front.
 *
 * @param losses shape (n, m), finite, n >= 1.
 * @returns shape (n,).
 */
export function paregoLosses(losses: readonly (readonly number[])[], rng: Rng): number[] {
  const m = losses[0]!.length
  const exponentials = Array.from({ length: m }, () => -Math.log(1 - rng.uniform()))
  const total = exponentials.reduce((sum, e) => sum + e, 0)
  const weights = exponentials.map(e => e / total)
  const low = weights.map((_, i) => losses.reduce((least, row) => Math.min(least, row[i]!), Number.POSITIVE_INFINITY))
  const high = weights.map((_, i) => losses.reduce((most, row) => Math.max(most, row[i]!), Number.NEGATIVE_INFINITY))
  return losses.map(row => {
    const parts = row.map((loss, i) => (weights[i]! * (loss - low[i]!)) / (high[i]! - low[i]! || 1))
    return Math.max(...parts) + 0.05 * parts.reduce((sum, part) => sum + part, 0)
  })
}
