import { nonDominatedSort } from '../../archive/dominance.ts'
import { hypervolume } from '../../archive/hypervolume.ts'

/**
 * The `count` best of `losses`, shape (n, m), as ascending indices.
 *
 * One objective: the lowest losses, the earlier of equals. Several: whole non-dominated fronts, best first; of the front that does
 * not fit, the subset with the largest hypervolume, chosen greedily (Y. Ozaki, Y. Tanigaki, S. Watanabe, M. Onishi,
 * "Multiobjective tree-structured Parzen estimator for computationally expensive optimization problems", GECCO 2020, section 3.2).
 */
export function bestSubset(losses: readonly (readonly number[])[], count: number): number[] {
  if (count >= losses.length) return losses.map((_, i) => i)
  if (losses[0]!.length === 1) {
    const ranked = losses.map((_, i) => i).sort((a, b) => losses[a]![0]! - losses[b]![0]! || a - b)
    return ranked.slice(0, count).sort((a, b) => a - b)
  }
  const chosen: number[] = []
  for (const front of nonDominatedSort(losses)) {
    const room = count - chosen.length
    if (front.length <= room) chosen.push(...front)
    else {
      const subset = hypervolumeSubset(
        front.map(i => losses[i]!),
        room,
      )
      chosen.push(...subset.map(k => front[k]!))
    }
    if (chosen.length >= count) break
  }
  return chosen.sort((a, b) => a - b)
}

/**
 * Greedy hypervolume subset selection: `count` times the point that adds most, as indices in the order chosen. What a point adds can only shrink
 * as the set grows, so an old value is a bound and most points need no new evaluation (M. Minoux, 1978).
 *
 * The reference point is the set's worst loss and a tenth of its range more, per objective: extremes count, whatever the origin.
 */
export function hypervolumeSubset(points: readonly (readonly number[])[], count: number): number[] {
  const reference = points[0]!.map((_, j) => {
    const column = points.map(point => point[j]!)
    const worst = Math.max(...column)
    return worst + 0.1 * (worst - Math.min(...column) || 1)
  })
  const bounds = points.map(point => point.reduce((volume, loss, j) => volume * (reference[j]! - loss), 1))
  const chosen: number[] = []
  let covered = 0
  while (chosen.length < Math.min(count, points.length)) {
    let best = -1
    let gain = Number.NEGATIVE_INFINITY
    const order = points.map((_, i) => i).filter(i => !chosen.includes(i))
    order.sort((a, b) => bounds[b]! - bounds[a]! || a - b)
    for (const i of order) {
      if (bounds[i]! <= gain) break
      bounds[i] = hypervolume([...chosen.map(k => points[k]!), points[i]!], reference) - covered
      if (bounds[i]! > gain) {
        gain = bounds[i]!
        best = i
      }
    }
    chosen.push(best)
    covered += gain
  }
  return chosen
}
