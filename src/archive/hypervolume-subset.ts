import { gain } from './hypervolume-contributions.ts'

/**
 * The indices of `count` points that together have much hypervolume: greedily, each the one that adds most to those before it, so at
 * least 1 - 1/e of the best subset's (G. L. Nemhauser, L. A. Wolsey, M. L. Fisher, Mathematical Programming 14, 1978). A point
 * never adds more than it would have earlier, so most gains need not be taken anew (M. Minoux, 1978).
 *
 * @param points shape (n, m), losses.
 * @param reference shape (m,), finite.
 * @returns best first; fewer than `count` where the others add nothing. Of equals the first.
 */
export function hypervolumeSubset(
  points: readonly (readonly number[])[],
  count: number,
  reference: readonly number[],
): number[] {
  const chosen: number[] = []
  const waiting = points.flatMap((point, index) =>
    point.every((loss, i) => loss < reference[i]!) ? [{ index, bound: gain(point, [], reference), asOf: 0 }] : [],
  )
  while (chosen.length < count && waiting.length > 0) {
    waiting.sort((a, b) => b.bound - a.bound || a.index - b.index)
    const first = waiting[0]!
    if (first.asOf < chosen.length) {
      const others = chosen.map(i => points[i]!)
      first.bound = Math.min(first.bound, gain(points[first.index]!, others, reference))
      first.asOf = chosen.length
      continue
    }
    if (first.bound <= 0) break
    chosen.push(first.index)
    waiting.shift()
  }
  return chosen
}
