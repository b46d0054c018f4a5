import { z } from 'zod'
import type { Genome } from '../../candidate.ts'
import type { Encoding } from './encoding.ts'
import type { Region } from './maximize.ts'

/**
 * A box around the best observation that grows with success and shrinks with failure (D. Eriksson et al., "Scalable global
 * optimization via local Bayesian optimization", NeurIPS 2019: TuRBO-1). Where its side has become too short, the search starts over.
 *
 * The paper counts a gain of a thousandth of |best| as success, which fails where the best loss is near 0: here it is a thousandth of
 * the losses' deviation. Its tolerance of d failures leaves no time to shrink in a few hundred evaluations: with a budget, it is such
 * that the box can halve down to its least side within it.
 */
export const trustRegionSchema = z.strictObject({
  length: z.number(), // side of the box, before the lengthscales stretch it
  successes: z.number().int(), // in a row
  failures: z.number().int(), // in a row
  best: z.number().nullable(), // loss to improve on; null: nothing scored yet
  firstId: z.number().int(), // candidates before this one belong to earlier regions
})
export type TrustRegion = z.infer<typeof trustRegionSchema>

const START_LENGTH = 0.8
const MIN_LENGTH = 2 ** -7
const MAX_LENGTH = 1.6
const SUCCESS_TOLERANCE = 3
const LEAST_FAILURES = 4
const GAIN = 1e-3
const HALVINGS = Math.ceil(Math.log2(START_LENGTH / MIN_LENGTH))

export function newTrustRegion(firstId: number): TrustRegion {
  return { length: START_LENGTH, successes: 0, failures: 0, best: null, firstId }
}

/** Failures in a row that halve the box: d, fewer if a budget would end before the box could reach its least side twice. */
export function failureTolerance(d: number, budget: number | undefined): number {
  const affordable = budget === undefined ? d : Math.floor(budget / (2 * HALVINGS))
  return Math.max(LEAST_FAILURES, Math.min(d, affordable))
}

/**
 * The region after more candidates proposed within it were scored.
 * @param losses theirs; failed evaluations count as failures. @param deviation of all losses the region knows.
 * @returns `undefined` when the box has become too small: start over.
 */
export function updateTrustRegion(
  region: TrustRegion,
  losses: readonly (number | undefined)[],
  deviation: number,
  tolerance: number,
): TrustRegion | undefined {
  if (losses.length === 0) return region
  const least = losses.reduce<number>((best, loss) => Math.min(best, loss ?? best), Number.POSITIVE_INFINITY)
  const best = Math.min(region.best ?? Number.POSITIVE_INFINITY, least)
  const known = Number.isFinite(best) ? best : null
  if (region.best === null) return { ...region, best: known }
  if (least < region.best - GAIN * deviation) {
    const grows = region.successes + 1 >= SUCCESS_TOLERANCE
    const length = grows ? Math.min(2 * region.length, MAX_LENGTH) : region.length
    return { ...region, length, successes: grows ? 0 : region.successes + 1, failures: 0, best: known }
  }
  const failures = region.failures + losses.length
  if (failures < tolerance) return { ...region, successes: 0, failures, best: known }
  const length = region.length / 2
  return length < MIN_LENGTH ? undefined : { ...region, length, successes: 0, failures: 0, best: known }
}

/** The box around `centre`, sides in proportion to the lengthscales (shape (D,)) with geometric mean `length`; all choices of a categorical gene. */
export function trustBox(encoding: Encoding, lengthscales: Float64Array, centre: Genome, length: number): Region {
  const { genes } = encoding.domain
  const numeric = lengthscales.slice(0, encoding.numeric).map(Math.log)
  const mean = numeric.reduce((sum, l) => sum + l, 0) / Math.max(1, numeric.length)
  const point = encoding.pointOf(centre)
  const half = genes.map((gene, i) =>
    gene.kind === 'categorical' ? 1 : 0.5 * length * Math.exp(numeric[encoding.inputOf[i]!]! - mean),
  )
  return {
    low: point.map((u, i) => Math.max(0, Math.min(1, u - half[i]!))),
    high: point.map((u, i) => Math.max(0, Math.min(1, u + half[i]!))),
    centre: point,
  }
}
