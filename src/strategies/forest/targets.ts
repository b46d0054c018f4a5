import type { Rng } from '../../rng.ts'

/**
 * Losses → what the forest learns: log((y - y₀) / (y_max - y₀)) with y₀ = 2 y_min - y_5 %, so that differences among the best count most.
 * (SMAC's scaling; M. Lindauer et al., "SMAC3", JMLR 23(54), 2022.) Equal losses become zeros.
 *
 * @param losses shape (n,), finite, n >= 1.
 */
export function logTargets(losses: readonly number[]): Float64Array {
  const sorted = [...losses].sort((a, b) => a - b)
  const [least, greatest] = [sorted[0]!, sorted.at(-1)!]
  if (!(greatest > least)) return new Float64Array(losses.length)
  const place = 0.05 * (sorted.length - 1)
  const below = Math.floor(place)
  const fifth = sorted[below]! + (place - below) * ((sorted[below + 1] ?? greatest) - sorted[below]!)
  // The best loss itself needs a finite logarithm where a twentieth of the losses equal it.
  const margin = Math.max(fifth - least, 1e-10 * (greatest - least))
  const origin = least - margin
  return Float64Array.from(losses, loss => Math.log((loss - origin) / (greatest - origin)))
}

/**
 * ParEGO's scalar loss for one random weight vector: losses to [0, 1] by their range, then max_i w_i n_i + 0.05 Σ_i w_i n_i, weights uniform on
 * the simplex (J. Knowles, "ParEGO", IEEE TEC 10(1), 2006, eq. 2).
 *
 * @param losses shape (n, m), finite, n >= 1.
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
