import type { Rng } from '../rng.ts'
import type { AffinePiece } from '../scalarization.ts'

/** Share of the weighted sum that breaks ties. */
const RHO = 0.05

/**
 * ParEGO's scalar loss for one random weight vector: losses to [0, 1] by their range, then max_i w_i n_i + 0.05 Σ_i w_i n_i, weights uniform
 * on the simplex (J. Knowles, "ParEGO", IEEE TEC 10(1), 2006, eq. 2). Over many draws the minima spread along the whole front.
 *
 * @param losses shape (n, m), finite, n >= 1.
 * @returns shape (n,).
 */
export function paregoLosses(losses: readonly (readonly number[])[], rng: Rng): number[] {
  const { weights, low, width } = weighted(losses, rng)
  return losses.map(row => {
    const parts = row.map((loss, j) => (weights[j]! * (loss - low[j]!)) / width[j]!)
    return Math.max(...parts) + RHO * parts.reduce((sum, part) => sum + part, 0)
  })
}

/** The same as the largest of m affine functions of the losses. */
export function paregoPieces(losses: readonly (readonly number[])[], rng: Rng): AffinePiece[] {
  const { weights, low, width } = weighted(losses, rng)
  const slopes = weights.map((weight, j) => weight / width[j]!)
  const offsets = slopes.map((slope, j) => -slope * low[j]!)
  const rest = RHO * offsets.reduce((sum, offset) => sum + offset, 0)
  return offsets.map((offset, i) => ({
    offset: offset + rest,
    slopes: slopes.map((slope, j) => (j === i ? (1 + RHO) * slope : RHO * slope)),
  }))
}

/** Random weights, and every loss's least value and range, 1 where it never changes; shape (m,) each. */
function weighted(losses: readonly (readonly number[])[], rng: Rng) {
  const exponentials = Array.from({ length: losses[0]!.length }, () => -Math.log(1 - rng.uniform()))
  const total = exponentials.reduce((sum, e) => sum + e, 0)
  const columns = exponentials.map((_, j) => losses.map(row => row[j]!))
  const low = columns.map(column => column.reduce((a, b) => Math.min(a, b)))
  const width = columns.map((column, j) => column.reduce((a, b) => Math.max(a, b)) - low[j]! || 1)
  return { weights: exponentials.map(e => e / total), low, width }
}
