import type { Genome } from '../../candidate.ts'
import type { Encoding } from './encoding.ts'

/**
 * Which of many observations to keep for a model: three tenths of them the best, three tenths the newest, and the rest as far from
 * those and each other as possible (T. F. Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985).
 * @returns indices in ascending order, `count` of them.
 */
export function selectObservations(
  encoding: Encoding,
  observations: readonly { readonly genome: Genome; readonly loss: number | undefined }[],
  count: number,
): number[] {
  const n = observations.length
  if (n <= count) return observations.map((_, i) => i)
  const share = Math.floor(0.3 * count)
  const order = observations.map((_, i) => i)
  const kept = new Set(order.slice(n - share))
  const rank = (i: number): number => observations[i]!.loss ?? Number.POSITIVE_INFINITY
  const byLoss = order
    .filter(i => !kept.has(i))
    .sort((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : a - b))
  for (const i of byLoss.slice(0, share)) kept.add(i)

  const inputs = observations.map(o => encoding.encode(o.genome))
  const nearest = new Float64Array(n).fill(Number.POSITIVE_INFINITY)
  const approach = (to: number): void => {
    for (let i = 0; i < n; i++) nearest[i] = Math.min(nearest[i]!, squaredDistance(encoding, inputs[i]!, inputs[to]!))
  }
  for (const i of kept) approach(i)
  while (kept.size < count) {
    let farthest = -1
    for (let i = 0; i < n; i++) {
      if (!kept.has(i) && (farthest < 0 || nearest[i]! > nearest[farthest]!)) farthest = i
    }
    kept.add(farthest)
    approach(farthest)
  }
  return order.filter(i => kept.has(i))
}

function squaredDistance(encoding: Encoding, a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, k) => sum + (k < encoding.numeric ? (value - b[k]!) ** 2 : value === b[k] ? 0 : 1), 0)
}
