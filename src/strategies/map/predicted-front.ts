import type { Domain, Gene } from '../../candidate.ts'
import type { Rng } from '../../rng.ts'
import { EMPTY_NSGA3_MEMORY, selectNsga3 } from '../evolution/nsga3-selection.ts'
import { referenceDirections } from '../evolution/reference-directions.ts'
import { vary } from '../evolution/variation.ts'
import type { Surrogate } from './surrogate.ts'

/** Corners of the sampled region, per coordinate, 0..1: surrogates are not asked for anything outside. Shape (d,) each. */
export interface Box {
  readonly low: Float64Array
  readonly high: Float64Array
}

export interface PredictedPoint {
  readonly point: Float64Array // shape (d,), 0..1
  readonly losses: readonly number[] // predicted, shape (m,)
}

/** Few generations: surrogates are smooth, and the search starts from the best measured points. */
const POPULATION = 100
const GENERATIONS = 30
/** As K. Deb, H. Jain, IEEE TEC 18(4), 2014, table II; 1 / d genes mutate. */
const VARIATION = { crossoverProbability: 1, crossoverIndex: 30, mutationIndex: 20 } as const

/** A side without length gets this one, as variation divides by it; predictions are made inside the box all the same. */
const THINNEST = 1e-9

/** The point moved to the nearest one that a genome can be (integer genes), shape (d,). */
export type Snap = (point: Float64Array) => Float64Array

/** The bounding box of points, shape (n, d). */
export function boundingBox(points: readonly Float64Array[]): Box {
  const low = points[0]!.slice()
  const high = points[0]!.slice()
  for (const point of points) {
    for (const [i, v] of point.entries()) {
      low[i] = Math.min(low[i]!, v)
      high[i] = Math.max(high[i]!, v)
    }
  }
  return { low, high }
}

/**
 * The Pareto front of the surrogates inside the box, by NSGA-III (as L. Li et al., "MAP", ICLR 2025; their program searches
 * far outside the sampled scales, which a quadratic does not survive).
 * @param start points to begin with, shape (n, d), inside the box; the rest of the population is uniform.
 */
export function predictedFront(
  surrogates: readonly Surrogate[],
  box: Box,
  start: readonly Float64Array[],
  snap: Snap,
  rng: Rng,
): PredictedPoint[] {
  const m = surrogates.length
  const domain = boxDomain(box)
  const variation = { ...VARIATION, mutationProbability: 1 / domain.genes.length }
  const predict = (point: Float64Array): PredictedPoint => {
    const snapped = snap(inside(point, box))
    return { point: snapped, losses: surrogates.map(surrogate => surrogate.loss(snapped)) }
  }
  const directions = referenceDirections(m, POPULATION)

  let population = start.slice(0, POPULATION / 2).map(predict)
  while (population.length < POPULATION) population.push(predict(uniformIn(box, rng)))
  let memory = EMPTY_NSGA3_MEMORY
  for (let generation = 0; generation <= GENERATIONS; generation++) {
    const children: PredictedPoint[] = []
    while (generation > 0 && children.length < POPULATION) {
      const [a, b] = [pick(population, rng), pick(population, rng)]
      for (const child of vary(domain, a.point, b.point, variation, rng)) children.push(predict(child))
    }
    const all = withoutTwins([...population, ...children])
    const selection = selectNsga3(
      all.map(member => member.losses),
      POPULATION,
      directions,
      memory,
      rng,
    )
    population = selection.survivors.map(i => all[i]!)
    memory = selection.memory
  }
  return population
}

/** Real genes over the box. */
function boxDomain({ low, high }: Box): Domain {
  const genes = Array.from(low, (l, i): Gene => {
    const range = { low: l, high: Math.max(high[i]!, l + THINNEST) }
    return { kind: 'real', name: `u${i}`, ...range, scale: 'linear', initial: l }
  })
  return { genes, initial: low }
}

export function inside(point: Float64Array, { low, high }: Box): Float64Array {
  return point.map((v, i) => Math.min(high[i]!, Math.max(low[i]!, v)))
}

export function uniformIn({ low, high }: Box, rng: Rng): Float64Array {
  return low.map((l, i) => l + rng.uniform() * (high[i]! - l))
}

export function pick<T>(items: readonly T[], rng: Rng): T {
  return items[rng.integer(0, items.length)]!
}

/** Equal points add nothing to a population and make its fronts large. */
function withoutTwins(members: readonly PredictedPoint[]): PredictedPoint[] {
  const seen = new Set<string>()
  return members.filter(({ point }) => {
    const key = point.join()
    return seen.size < seen.add(key).size
  })
}
