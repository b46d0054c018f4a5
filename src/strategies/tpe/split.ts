import { nonDominatedSort } from '../../archive/dominance.ts'
import { hypervolumeSubset } from '../../archive/hypervolume-subset.ts'

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
      const points = front.map(i => losses[i]!)
      const subset = new Set(hypervolumeSubset(points, room, outerReference(points)))
      // Equal losses add nothing to each other: the earliest fill up.
      for (let k = 0; subset.size < room; k++) subset.add(k)
      for (const k of subset) chosen.push(front[k]!)
    }
    if (chosen.length >= count) break
  }
  return chosen.sort((a, b) => a - b)
}

/** The worst loss and a tenth of the range more, per objective: extremes count, whatever the origin. */
function outerReference(points: readonly (readonly number[])[]): number[] {
  return points[0]!.map((_, j) => {
    const column = points.map(point => point[j]!)
    const worst = Math.max(...column)
    return worst + 0.1 * (worst - Math.min(...column) || 1)
  })
}
