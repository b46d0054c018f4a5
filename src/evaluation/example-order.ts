import { createRng } from '../rng.ts'

/**
 * One fixed order of the examples of a split, in which every prefix is a small copy of the whole: after t of n examples each stratum
 * (a label, a skill) has had its share of them, give or take less than one. A candidate that has seen more examples has so seen
 * those of the others as well, and a score on few examples is not tilted towards what happens to come first in a file.
 *
 * Inside a stratum the order is random. Between strata it is the chairman assignment of R. Tijdeman ("The chairman assignment
 * problem", Discrete Mathematics 32, 1980): with weights λ_s = n_s / n, of the strata with λ_s·t − taken_s ≥ 1/(2S − 2) the one that
 * must come first, by (1 − 1/(2S − 2) − (λ_s·t − taken_s)) / λ_s, is taken; then |taken_s − λ_s·t| ≤ 1 − 1/(2S − 2) for every t.
 *
 * @param strata stratum of each example, shape (n,)
 * @param name what the order belongs to, as `digits/search`: another name, another order. The same data under the same name has the
 *   same order everywhere
 * @returns positions in `strata`, each once, shape (n,)
 */
export function exampleOrder(strata: ArrayLike<number | string>, name: string): Int32Array {
  const rng = createRng(0).split(name)
  const byStratum = new Map<number | string, number[]>()
  for (let i = 0; i < strata.length; i++) {
    const members = byStratum.get(strata[i]!)
    if (members === undefined) byStratum.set(strata[i]!, [i])
    else members.push(i)
  }
  const groups = [...byStratum]
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
    .map(([stratum, members]) => shuffled(members, rng.split(`stratum ${stratum}`)))
  return chairmanAssignment(shuffled(groups, rng), strata.length)
}

/** All members, group by group as the assignment says; ties go to the first group. */
function chairmanAssignment(groups: readonly (readonly number[])[], n: number): Int32Array {
  const order = new Int32Array(n)
  const taken = new Int32Array(groups.length)
  const parts = 2 * groups.length - 2 // 1 / slack; everything times n stays in whole numbers, which decide exactly
  for (let t = 1; t <= n; t++) {
    let next = -1
    let earliest = Infinity
    for (let s = 0; s < groups.length; s++) {
      const size = groups[s]!.length
      const owed = size * t - taken[s]! * n
      if (groups.length > 1 && owed * parts < n) continue
      const deadline = (n - n / parts - owed) / size
      if (deadline < earliest) [next, earliest] = [s, deadline]
    }
    order[t - 1] = groups[next]![taken[next]!++]!
  }
  return order
}

/** Fisher-Yates, on a copy. */
function shuffled<T>(items: readonly T[], rng: { integer(low: number, high: number): number }): T[] {
  const result = [...items]
  for (let i = result.length - 1; i > 0; i--) {
    const j = rng.integer(0, i + 1)
    const kept = result[i]!
    result[i] = result[j]!
    result[j] = kept
  }
  return result
}
