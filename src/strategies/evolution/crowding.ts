import { nonDominatedSort } from '../../archive/dominance.ts'

/**
 * Crowding distance: per point the sum over objectives of the gap between its two neighbours, as a share of the front's range;
 * Infinity for the extremes of an objective.
 *
 * Source: K. Deb, A. Pratap, S. Agarwal, T. Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEC
 * 6(2), 2002, section III-B.
 * @param front shape (n, m), losses.
 * @returns shape (n,).
 */
export function crowdingDistance(front: readonly (readonly number[])[]): Float64Array {
  const n = front.length
  const distance = new Float64Array(n)
  const m = front[0]?.length ?? 0
  for (let k = 0; k < m; k++) {
    const order = front.map((_, i) => i).sort((i, j) => front[i]![k]! - front[j]![k]!)
    const range = front[order[n - 1]!]![k]! - front[order[0]!]![k]!
    distance[order[0]!] = Infinity
    distance[order[n - 1]!] = Infinity
    if (range === 0) continue
    for (let at = 1; at + 1 < n; at++)
      distance[order[at]!]! += (front[order[at + 1]!]![k]! - front[order[at - 1]!]![k]!) / range
  }
  return distance
}

/**
 * The indices of `count` points of a front with the most room: the most crowded one goes, distances are taken anew, and so on.
 * Removing all at once, as the paper has it, tears holes where a cluster is removed whole (S. Kukkonen, K. Deb, CEC 2006).
 */
export function leastCrowded(front: readonly (readonly number[])[], count: number): number[] {
  const kept = front.map((_, i) => i)
  while (kept.length > count) {
    const distance = crowdingDistance(kept.map(i => front[i]!))
    kept.splice(
      distance.reduce((worst, v, at) => (v < distance[worst]! ? at : worst), 0),
      1,
    )
  }
  return kept
}

/**
 * Whole fronts, then the part of the next with the most room.
 * @returns survivors as indices, best front first; per survivor the rank of its front, from 0, and its crowding distance inside it.
 */
export function selectByCrowding(
  losses: readonly (readonly number[])[],
  count: number,
): { readonly survivors: number[]; readonly ranks: number[]; readonly crowding: number[] } {
  const survivors: number[] = []
  const ranks: number[] = []
  const crowding: number[] = []
  for (const [rank, front] of nonDominatedSort(losses).entries()) {
    const room = count - survivors.length
    if (room <= 0) break
    const members =
      front.length <= room
        ? front
        : leastCrowded(
            front.map(i => losses[i]!),
            room,
          ).map(at => front[at]!)
    survivors.push(...members)
    ranks.push(...members.map(() => rank))
    crowding.push(...crowdingDistance(members.map(i => losses[i]!)))
  }
  return { survivors, ranks, crowding }
}

/**
 * The crowded-comparison order (section III-C): the lower rank first, then the larger crowding distance.
 * @param ranks shape (n,). @param crowding shape (n,).
 * @returns shape (n,): how many come before; equal for equals.
 */
export function crowdedOrder(ranks: readonly number[], crowding: readonly number[]): number[] {
  const before = (i: number, j: number): boolean =>
    ranks[i]! < ranks[j]! || (ranks[i] === ranks[j] && crowding[i]! > crowding[j]!)
  return ranks.map((_, j) => ranks.reduce((count, _, i) => count + Number(before(i, j)), 0))
}
