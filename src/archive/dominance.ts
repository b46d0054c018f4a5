/**
 * Pareto dominance between loss vectors (minimised).
 *
 * NaN rule: a vector that holds a NaN is not comparable. It dominates nothing, nothing dominates it, it never enters an
 * archive, and the sort puts all such vectors together into one last front.
 */

/** Whether `a`, shape (m,), is nowhere worse than `b`, shape (m,), and better somewhere. */
export function dominates(a: readonly number[], b: readonly number[]): boolean {
  let better = false
  for (let i = 0; i < a.length; i++) {
    const x = a[i]!
    const y = b[i]!
    if (!(x <= y)) return false // also where either is NaN
    if (x < y) better = true
  }
  return better
}

/** Whether `a`, shape (m,), is nowhere worse than `b`, shape (m,): dominance, or equality. */
export function weaklyDominates(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < a.length; i++) if (!(a[i]! <= b[i]!)) return false
  return true
}

/** Order by the first loss, then the second, and so on; 0 for equal vectors, both shape (m,). */
export function compareLosses(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! - b[i]!
    if (difference < 0) return -1
    if (difference > 0) return 1
  }
  return 0
}

/**
 * Non-dominated sort: indices of `losses`, shape (n, m), front by front, best first; ascending inside a front. Equal vectors
 * share a front. Vectors with a NaN form the last front.
 *
 * Source: X. Zhang, Y. Tian, R. Cheng, Y. Jin, "An efficient approach to nondominated sorting for evolutionary multiobjective
 * optimization", IEEE TEC 19(2), 2015, algorithm 2 (ENS-SS): in lexicographic order a vector can be dominated only by
 * vectors before it, so it belongs to the first front none of whose members dominates it.
 */
export function nonDominatedSort(losses: readonly (readonly number[])[]): number[][] {
  const comparable: number[] = []
  const incomparable: number[] = []
  losses.forEach((vector, i) => {
    ;(vector.some(Number.isNaN) ? incomparable : comparable).push(i)
  })
  comparable.sort((i, j) => compareLosses(losses[i]!, losses[j]!) || i - j)

  const fronts: number[][] = []
  for (const i of comparable) {
    const home = fronts.find(front => !isDominatedBy(losses, front, losses[i]!))
    if (home === undefined) fronts.push([i])
    else home.push(i)
  }
  if (incomparable.length > 0) fronts.push(incomparable)
  for (const front of fronts) front.sort((i, j) => i - j)
  return fronts
}

/** Newest first: in lexicographic order the nearest predecessors are the likeliest to dominate. */
function isDominatedBy(
  losses: readonly (readonly number[])[],
  front: readonly number[],
  vector: readonly number[],
): boolean {
  for (let k = front.length - 1; k >= 0; k--) if (dominates(losses[front[k]!]!, vector)) return true
  return false
}
