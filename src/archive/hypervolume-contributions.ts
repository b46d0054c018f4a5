import { compareLosses, weaklyDominates } from './dominance.ts'
import { hypervolume } from './hypervolume.ts'
import { Staircase } from './staircase.ts'

type Points = readonly (readonly number[])[]

/**
 * What each point alone contributes: hypervolume(S) - hypervolume(S without it), for every point of S. A point that another weakly
 * dominates contributes 0, and so does one that is not below the reference in every loss.
 *
 * - m = 2 and no point dominated: the rectangle between a point and its two neighbours, O(n log n) for the order.
 * - m = 3: per point, a sweep over the third loss of the other points clipped to its box.
 * - otherwise: the box less the hypervolume of the others clipped to it (the exclusive hypervolume of L. While, L. Bradstreet,
 *   L. Barone, "A fast way of calculating exact hypervolumes", IEEE TEC 16(1), 2012, section III).
 *
 * @param points shape (n, m), losses; a NaN or -Infinity is not allowed.
 * @param reference shape (m,), finite.
 * @returns shape (n,).
 */
export function hypervolumeContributions(points: Points, reference: readonly number[]): Float64Array {
  const m = reference.length
  const inside: number[] = []
  points.forEach((point, i) => {
    if (point.every((loss, k) => loss < reference[k]!)) inside.push(i)
  })
  const within = inside.map(i => points[i]!)
  const volumes = (m === 2 && planar(within, reference)) || (m === 3 ? spatial : general)(within, reference)
  const contributions = new Float64Array(points.length)
  inside.forEach((i, at) => {
    contributions[i] = volumes[at]!
  })
  return contributions
}

/** `undefined` if a point is weakly dominated: what it covers then counts for nobody, which neighbours cannot tell. */
function planar(points: Points, reference: readonly number[]): Float64Array | undefined {
  const order = points.map((_, i) => i).sort((i, j) => compareLosses(points[i]!, points[j]!))
  const volumes = new Float64Array(points.length)
  let ceiling = reference[1]!
  for (const [at, i] of order.entries()) {
    const [x, y] = [points[i]![0]!, points[i]![1]!]
    if (y >= ceiling) return undefined
    const next = order[at + 1]
    volumes[i] = ((next === undefined ? reference[0]! : points[next]![0]!) - x) * (ceiling - y)
    ceiling = y
  }
  return volumes
}

function spatial(points: Points, reference: readonly number[]): Float64Array {
  const order = points.map((_, i) => i).sort((i, j) => points[i]![2]! - points[j]![2]!)
  const sorted = order.map(i => points[i]!)
  const volumes = new Float64Array(points.length)
  const stairs = new Staircase(reference[0]!, reference[1]!)
  for (const [at, i] of order.entries()) volumes[i] = exclusiveInSpace(sorted, at, reference, stairs)
  return volumes
}

/** @param sorted by the third loss, ascending. */
function exclusiveInSpace(sorted: Points, at: number, reference: readonly number[], stairs: Staircase): number {
  const [r0, r1, r2] = [reference[0]!, reference[1]!, reference[2]!]
  const [x, y, z] = [sorted[at]![0]!, sorted[at]![1]!, sorted[at]![2]!]
  stairs.reset(r0, r1)
  const base = (r0 - x) * (r1 - y)
  let volume = 0 // of the box above z that nothing else covers
  let height = z
  for (let k = 0; k < sorted.length; k++) {
    if (k === at) continue
    const other = sorted[k]!
    const [ox, oy, oz] = [other[0]!, other[1]!, other[2]!]
    if (oz > height) {
      volume += (base - stairs.area) * (oz - height)
      height = oz
    }
    if (ox <= x && oy <= y) {
      if (oz <= z) return 0
      return Math.max(0, volume) // nothing of the box is left above
    }
    stairs.add(Math.max(ox, x), Math.max(oy, y))
  }
  return Math.max(0, volume + (base - stairs.area) * (r2 - height))
}

function general(points: Points, reference: readonly number[]): Float64Array {
  return Float64Array.from(points, (_, k) => exclusiveVolume(points, k, reference))
}

/** The part of point `k`'s box that no other point covers. */
function exclusiveVolume(points: Points, k: number, reference: readonly number[]): number {
  const point = points[k]!
  const others = points.filter((_, i) => i !== k)
  if (others.some(other => weaklyDominates(other, point))) return 0
  return gain(point, others, reference)
}

/** By how much a point raises the hypervolume of others, none of which weakly dominates it; all of them below the reference. */
export function gain(point: readonly number[], others: Points, reference: readonly number[]): number {
  const box = point.reduce((product, loss, i) => product * (reference[i]! - loss), 1)
  const clipped = others.map(other => other.map((loss, i) => Math.max(loss, point[i]!)))
  return Math.max(0, box - hypervolume(clipped, reference))
}
