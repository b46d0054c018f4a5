import type { Rng } from '../rng.ts'
import { type AffinePiece, RHO } from '../scalarization.ts'

/**
 * ParEGO's scalar loss for one random weight vector: losses to [0, 1] by their range, then max_i w_i n_i + 0.05 Σ_i w_i n_i, weights uniform
 * on the simplex (J. Knowles, "ParEGO", IEEE TEC 10(1), 2006, eq. 2). Over many draws the minima spread along the whole front.
 *
 * @param losses shape (n, m), finite, n >= 1.
 * @returns functions of the losses, shape (m,): the largest is the scalar loss.
 */
export function paregoPieces(losses: readonly (readonly number[])[], rng: Rng): AffinePiece[] {
  const exponentials = Array.from({ length: losses[0]!.length }, () => -Math.log(1 - rng.uniform()))
  const total = exponentials.reduce((sum, e) => sum + e, 0)
  const columns = exponentials.map((_, j) => losses.map(row => row[j]!))
  const low = columns.map(column => column.reduce((a, b) => Math.min(a, b)))
  const high = columns.map(column => column.reduce((a, b) => Math.max(a, b)))
  // One that never changes has no range, and counts for nothing either way.
  const slopes = exponentials.map((e, j) => e / total / (high[j]! - low[j]! || 1))
  const offsets = slopes.map((slope, j) => -slope * low[j]!)
  const rest = RHO * offsets.reduce((sum, offset) => sum + offset, 0)
  return offsets.map((offset, i) => ({
    offset: offset + rest,
    slopes: slopes.map((slope, j) => (j === i ? (1 + RHO) * slope : RHO * slope)),
  }))
}
