import type { Domain, Genome } from '../../candidate.ts'
import { minimizeInBox } from '../../numerics/box-quadratic.ts'
import type { Rng } from '../../rng.ts'
import { vary } from '../evolution/variation.ts'
import { toUnitCube } from '../unit-cube.ts'
import { type Box, inside, type PredictedPoint, pick, type Snap, uniformIn } from './predicted-front.ts'
import type { Surrogate } from './surrogate.ts'

/** Whether a point may be proposed: not yet known, and not next to a failure. */
export type Admissible = (point: Float64Array) => boolean

/**
 * Which points of a predicted front to evaluate: one after the other the point that brings the covered points nearest to the front, in
 * mean shortfall (IGD+ of H. Ishibuchi, H. Masuda, Y. Tanigaki, Y. Nojima, EMO 2015) of the covered from the whole predicted front. A greedy choice is
 * within 1 - 1/e of the best subset, as the gain is submodular, and costs the same for any number of objectives.
 *
 * @param covered predicted losses of the trials told, shape (n, m): in the model's own terms, so that lucky measurements cover no more
 * than others.
 * @param reference worst acceptable losses, shape (m,): points of the front beyond them are not worth covering where others lie within.
 */
export function spreadOverFront(
  front: readonly PredictedPoint[],
  covered: readonly (readonly number[])[],
  reference: readonly number[],
  count: number,
  admissible: Admissible,
): PredictedPoint[] {
  const within = front.filter(({ losses }) => losses.every((loss, k) => loss <= reference[k]!))
  const wanted = within.length > 0 ? within : front
  const ranges = reference.map((_, k) => {
    const column = wanted.map(({ losses }) => losses[k]!)
    return Math.max(...column) - Math.min(...column) || 1
  })
  const shortfall = (target: readonly number[], from: readonly number[]): number => {
    let squares = 0
    for (let k = 0; k < target.length; k++) squares += Math.max(0, (from[k]! - target[k]!) / ranges[k]!) ** 2
    return Math.sqrt(squares)
  }
  const left = wanted.map(({ losses }) => covered.reduce((least, c) => Math.min(least, shortfall(losses, c)), Infinity))
  const open = wanted.filter(({ point }) => admissible(point))
  const chosen: PredictedPoint[] = []
  while (chosen.length < count && open.length > 0) {
    let best = 0
    let most = -Infinity
    for (const [i, { losses }] of open.entries()) {
      let gain = 0
      for (const [j, target] of wanted.entries()) gain += Math.max(0, left[j]! - shortfall(target.losses, losses))
      if (gain > most) {
        most = gain
        best = i
      }
    }
    if (!(most > 0)) break // the front is covered
    const next = open.splice(best, 1)[0]!
    chosen.push(next)
    for (const [j, target] of wanted.entries()) left[j] = Math.min(left[j]!, shortfall(target.losses, next.losses))
  }
  return chosen
}

/** The points of a pool whose predictions are least certain, each objective's deviation in units of its own mean over the pool. */
export function leastCertain(
  surrogates: readonly Surrogate[],
  pool: readonly Float64Array[],
  count: number,
  admissible: Admissible,
): Float64Array[] {
  const points = pool.filter(admissible)
  const totals = new Float64Array(points.length)
  for (const surrogate of surrogates) {
    const deviations = points.map(point => surrogate.deviation(point))
    const mean = deviations.reduce((sum, s) => sum + s, 0) / points.length
    if (mean > 0) for (const [i, s] of deviations.entries()) totals[i]! += s / mean
  }
  const order = points.map((_, i) => i).sort((a, b) => totals[b]! - totals[a]! || a - b)
  return order.slice(0, count).map(i => points[i]!)
}

/** Points of the pool that the search for one objective's minimum looks at, and how far around the best ones. */
const POOL = 256
const RADII = [0.1, 0.03, 0.01, 0.003, 0.001]

/**
 * One objective: the first point is the surrogate's minimum in the box, by coordinate descent from the best of a pool; the others are
 * minima of loss - κ · deviation with κ = 1, 2, ... (lower confidence bounds), each over the pool.
 * @param starts good points already known, shape (n, d), best first.
 */
export function minimizers(
  surrogate: Surrogate,
  box: Box,
  starts: readonly Float64Array[],
  snap: Snap,
  count: number,
  admissible: Admissible,
  rng: Rng,
): PredictedPoint[] {
  const uniform = () => uniformIn(box, rng)
  const centres = starts.slice(0, 3)
  const start = best(surrogate, [...centres, ...Array.from({ length: POOL }, uniform)])
  const minimum = minimizeInBox(surrogate.predictor, box.low, box.high, start)
  const near = [minimum, ...centres].flatMap(centre =>
    RADII.flatMap(radius =>
      Array.from({ length: 10 }, () =>
        inside(
          centre.map(v => v + radius * rng.normal()),
          box,
        ),
      ),
    ),
  )
  const pool = [minimum, ...near, ...Array.from({ length: POOL }, uniform)].map(snap).filter(admissible)
  const losses = pool.map(point => surrogate.loss(point))
  const deviations = pool.map(point => surrogate.deviation(point))
  const chosen: PredictedPoint[] = []
  for (let kappa = 0; chosen.length < count && kappa < 3 * count; kappa++) {
    let at = -1
    let least = Infinity
    for (const [i, point] of pool.entries()) {
      const bound = losses[i]! - kappa * deviations[i]!
      if (bound < least && !chosen.some(other => isNear(other.point, point))) {
        least = bound
        at = i
      }
    }
    if (at < 0) break
    chosen.push({ point: pool[at]!, losses: [losses[at]!] })
  }
  return chosen
}

function best(surrogate: Surrogate, points: readonly Float64Array[]): Float64Array {
  return points.reduce((a, b) => (surrogate.loss(b) < surrogate.loss(a) ? b : a))
}

/** Variation of measured candidates, where surrogates do not predict: as NSGA-II's. */
const VARIATION = { crossoverProbability: 0.9, crossoverIndex: 15, mutationIndex: 20 } as const
/** Pairs of parents tried at most for a child that is new, per child wanted. */
const ATTEMPTS = 20

/** Children of measured candidates, different from each other: crossover and mutation, no model. May be fewer than wanted. */
export function variations(
  domain: Domain,
  parents: readonly Genome[],
  count: number,
  admissible: Admissible,
  rng: Rng,
): Genome[] {
  const variation = { ...VARIATION, mutationProbability: 1 / domain.genes.length }
  const children: Genome[] = []
  const taken: Float64Array[] = []
  for (let attempt = 0; children.length < count && attempt < ATTEMPTS * count; attempt++) {
    const child = vary(domain, pick(parents, rng), pick(parents, rng), variation, rng)[0]
    const point = toUnitCube(domain, child)
    if (!admissible(point) || taken.some(other => isNear(other, point))) continue
    taken.push(point)
    children.push(child)
  }
  return children
}

/** Points nearer to each other than this, in every coordinate, are one. */
export const SAME_POINT = 1e-6

export function isNear(a: Float64Array, b: Float64Array): boolean {
  return distance(a, b) <= SAME_POINT
}

/** Largest difference of a coordinate. */
export function distance(a: Float64Array, b: Float64Array): number {
  let most = 0
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!))
  return most
}
