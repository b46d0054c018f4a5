import { MergeError, show } from '../../errors.ts'
import type { PositionRandom } from './hash-random.ts'
import { ranksWithin, smallestFirst } from './order.ts'
import { sumOfMagnitudes } from './vectors.ts'

/**
 * What the sparsifying operators do to one task vector: keep a share `density` of its elements, the others become 0. Each returns a new
 * vector; a density of 1 keeps everything.
 */

/** TIES, trim step: the trunc(density · n) largest magnitudes. Of equal ones, the first by position. */
export function keepLargest(tau: Float64Array, density: number, where: string): Float64Array {
  if (density >= 1) return tau
  const count = largestCount(density, tau.length, where)
  const order = smallestFirst(tau)
  const kept = new Float64Array(tau.length)
  for (let r = tau.length - count; r < tau.length; r++) kept[order[r]!] = tau[order[r]!]!
  return kept
}

/** @throws {MergeError} where nothing would be kept */
export function largestCount(density: number, elements: number, where: string): number {
  const count = Math.trunc(density * elements)
  if (count > 0) return count
  throw new MergeError(`A density of ${density} keeps none of the ${elements} elements of ${where}.`, {
    hint: 'Raise the density, or give this tensor a weight of 0.',
  })
}

/** DARE: each element with probability `density`, by its own random number. */
export function keepRandom(tau: Float64Array, density: number, random: PositionRandom): Float64Array {
  if (density >= 1) return tau
  return tau.map((value, i) => (random.at(i) < density ? value : 0))
}

/** Breadcrumbs: without the trunc(gamma · n) largest magnitudes, the next trunc(density · n); fewer are cut off where too few are left. */
export function keepMiddle(tau: Float64Array, density: number, gamma: number): Float64Array {
  if (density >= 1) return tau
  const { begin, end } = middleRanks(density, gamma, tau.length)
  const order = smallestFirst(tau)
  const kept = new Float64Array(tau.length)
  for (const i of order.subarray(begin, end)) kept[i] = tau[i]!
  return kept
}

/** The ranks, smallest first, that are kept of n. */
export function middleRanks(
  density: number,
  gamma: number,
  n: number,
): { readonly begin: number; readonly end: number } {
  const count = Math.trunc(density * n)
  const begin = Math.max(0, n - count - Math.trunc(gamma * n))
  return { begin, end: begin + count }
}

/**
 * DELLA, MAGPRUNE: keep probabilities grow with the rank of the magnitude within its row (dimension 1), from density − epsilon
 * to density + epsilon. A vector is one row.
 * @param perElement scale what is kept by 1/p, as in the paper
 */
export function keepByRank(
  tau: Float64Array,
  shape: readonly number[],
  {
    density,
    epsilon,
    random,
    perElement,
    where,
  }: {
    readonly density: number
    readonly epsilon: number
    readonly random: PositionRandom
    readonly perElement: boolean
    readonly where: string
  },
): Float64Array {
  if (density >= 1) return tau
  if (density <= 0) return new Float64Array(tau.length)
  requireProbabilities(density, epsilon, where)
  const { ranks, count } = ranksWithin(tau, shape)
  const kept = new Float64Array(tau.length)
  for (let i = 0; i < tau.length; i++) {
    const p = count === 1 ? density : density - epsilon + (2 * epsilon * ranks[i]!) / (count - 1)
    if (random.at(i) < p) kept[i] = perElement ? tau[i]! / p : tau[i]!
  }
  return kept
}

export function requireProbabilities(density: number, epsilon: number, where: string): void {
  if (density - epsilon > 0 && density + epsilon < 1) return
  throw new MergeError(
    `Probabilities of ${where} run from density − epsilon to density + epsilon, and must lie between 0 and 1; got density ${density} and epsilon ${epsilon}.`,
    { hint: 'Lower epsilon, or move the density away from 0 and 1.' },
  )
}

/** mergekit's rescaling: what is kept gets the L1 norm of what there was; left alone where either norm is below 1e-7. */
export function restoreMagnitude(kept: Float64Array, tau: Float64Array): Float64Array {
  const [before, after] = [sumOfMagnitudes(tau), sumOfMagnitudes(kept)]
  if (kept === tau || before < 1e-7 || after < 1e-7) return kept
  const factor = before / after
  return kept.map(value => value * factor)
}

/** Tensor and model, for messages. */
export function place(tensor: string, model: string): string {
  return `${show(tensor)} of ${show(model)}`
}
