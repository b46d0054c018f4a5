import { compareLosses, weaklyDominates } from './dominance.ts'
import { Staircase } from './staircase.ts'

/**
 * The volume of loss space that a set of points dominates, up to a reference point: exact, any number of objectives.
 *
 *     m objectives, n points, r reference; a point p covers the box [p, r]
 *
 * - m = 1: the distance of the best point.
 * - m = 2: sweep over the first loss, O(n log n).
 * - m = 3: sweep over the third loss with the staircase of the first two, O(n log n) comparisons (N. Beume, C. Fonseca,
 *   M. López-Ibáñez, L. Paquete, J. Vahrenhold, "On the complexity of computing the hypervolume indicator", IEEE TEC 13(5),
 *   2009, section IV).
 * - m >= 4: WFG (L. While, L. Bradstreet, L. Barone, "A fast way of calculating exact hypervolumes", IEEE TEC 16(1), 2012,
 *   figures 3-5): exact, exponential in m in the worst case.
 *
 * A point counts only where it is below the reference in *every* loss: others, and points with a NaN, contribute 0.
 * Duplicates and dominated points may be in the set.
 *
 * @param points shape (n, m), losses.
 * @param reference shape (m,), finite.
 * @throws {RangeError} if a point has another shape, is -Infinity somewhere, or the reference is not finite.
 */
export function hypervolume(points: readonly (readonly number[])[], reference: readonly number[]): number {
  const m = reference.length
  if (m === 0) throw new RangeError('Expected a reference point with at least one coordinate, got none.')
  if (!reference.every(Number.isFinite))
    throw new RangeError(`Expected a finite reference point, got [${reference.join(', ')}].`)
  for (const point of points) {
    if (point.length !== m)
      throw new RangeError(`Expected points of ${m} losses like the reference, got ${point.length}.`)
    if (point.includes(-Infinity)) throw new RangeError(`Expected finite losses, got [${point.join(', ')}].`)
  }
  const inside = points.filter(point => point.every((loss, i) => loss < reference[i]!))
  if (inside.length === 0) return 0
  if (m === 1) return reference[0]! - inside.reduce((least, point) => Math.min(least, point[0]!), Infinity)
  if (m === 2) return sweep2(inside, reference)
  if (m === 3) return sweep3(inside, reference)
  return wfg(nonDominated(inside), reference)
}

/** From left to right, each point that is lower than all before it adds the strip between it and the lowest so far. */
function sweep2(points: readonly (readonly number[])[], reference: readonly number[]): number {
  const [r0, r1] = [reference[0]!, reference[1]!]
  let volume = 0
  let lowest = r1
  for (const point of [...points].sort(compareLosses)) {
    const y = point[1]!
    if (y >= lowest) continue
    volume += (r0 - point[0]!) * (lowest - y)
    lowest = y
  }
  return volume
}

/**
 * From the best third loss upwards: what the points met so far cover in the plane of the first two losses, times the height of the
 * slab up to the next third loss.
 */
function sweep3(points: readonly (readonly number[])[], reference: readonly number[]): number {
  const sorted = [...points].sort((a, b) => a[2]! - b[2]!)
  const stairs = new Staircase(reference[0]!, reference[1]!)
  let volume = 0
  let z = sorted[0]![2]!
  for (const point of sorted) {
    volume += stairs.area * (point[2]! - z)
    z = point[2]!
    stairs.add(point[0]!, point[1]!)
  }
  return volume + stairs.area * (reference[2]! - z)
}

/** Σ_k exclhv(p_k, {p_k+1, ...}): each point adds what the points after it leave uncovered. */
function wfg(points: readonly (readonly number[])[], reference: readonly number[]): number {
  if (reference.length === 3) return points.length === 0 ? 0 : sweep3(points, reference)
  // Worst last loss first: the limit sets that follow are then flat in the last loss, which prunes most (section III-C).
  const last = reference.length - 1
  const sorted = [...points].sort((a, b) => b[last]! - a[last]!)
  // With the points sorted so, every point after p_k is no worse in the last loss: its limited copy has p_k's own value
  // there, and the whole limit set is one slab of that thickness. The rest is a problem with one objective less.
  const flatReference = reference.slice(0, last)
  return sorted.reduce((volume, point, k) => {
    const flat = point.slice(0, last)
    const limited = sorted.slice(k + 1).map(other => flat.map((loss, i) => Math.max(loss, other[i]!)))
    const box = flat.reduce((product, loss, i) => product * (flatReference[i]! - loss), 1)
    return volume + (reference[last]! - point[last]!) * (box - wfg(nonDominated(limited), flatReference))
  }, 0)
}

/**
 * The points that no other point weakly dominates, one of each set of equals. Weak dominance matters: limited points are
 * often equal, and keeping equals makes the recursion exponential.
 */
function nonDominated(points: readonly (readonly number[])[]): (readonly number[])[] {
  const kept: (readonly number[])[] = []
  for (const point of [...points].sort(compareLosses)) {
    if (!kept.some(other => weaklyDominates(other, point))) kept.push(point)
  }
  return kept
}
