import { z } from 'zod'
import type { Domain } from '../candidate.ts'
import { toUnitCube } from './unit-cube.ts'

/** Option of strategies that scatter candidates before they have a model. */
export const initialSpread = (usual: number) =>
  z
    .number()
    .gt(0)
    .max(1)
    .default(usual)
    .describe(
      'Share of every range, around the declared start, over which the first candidates are scattered: 1 is the whole box, for a start that says nothing.',
    )

/**
 * A point of the unit cube drawn towards the declared start: uniform in the cube becomes uniform in a box of side `spread` that holds the start and
 * lies within the cube. Choices stay, as they have no distance. Merges are good near a good recipe and bad in most of the box, so a model
 * learns more there.
 *
 * @param point shape (d,), left as it is.
 * @param spread in (0, 1]; 1 is the point itself, to the last bit.
 * @returns shape (d,).
 */
export function aroundStart(domain: Domain, point: Float64Array, spread: number): Float64Array {
  if (spread === 1) return point
  const start = toUnitCube(domain, domain.initial)
  return point.map((u, i) => (domain.genes[i]!.kind === 'categorical' ? u : start[i]! + spread * (u - start[i]!)))
}
