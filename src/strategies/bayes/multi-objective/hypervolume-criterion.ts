import { nonDominatedSort } from '../../../archive/dominance.ts'
import { hypervolumeSubset } from '../../../archive/hypervolume-subset.ts'
import type { Gp } from '../gp.ts'
import { nonDominatedBoxes } from './boxes.ts'
import type { Criterion } from './criterion.ts'
import { logExpectedHypervolumeImprovement } from './log-ehvi.ts'
import { effectiveReference } from './reference.ts'

/** Objectives up to which hypervolume improvement is computed; more go by random scalarisation. */
export const MAX_HYPERVOLUME_OBJECTIVES = 3

/**
 * The criterion for two or three objectives. The front to improve on is that of the models' means at their observations, so that noise is taken
 * off, and points believed in while they are evaluated are part of it.
 *
 * @param gps one model per objective, of the same observations in the same order, at least one, and with affine targets.
 * @param reference shape (m,), in the models' units.
 * @param anchors how many at most.
 */
export function hypervolumeCriterion(gps: readonly Gp[], reference: readonly number[], anchors: number): Criterion {
  const columns = gps.map(gp => gp.fittedMeans())
  const points = Array.from(columns[0]!, (_, i) => columns.map(column => column[i]!))
  const members = nonDominatedSort(points)[0]!
  const front = members.map(i => points[i]!)
  const limit = effectiveReference(points, front, reference)
  return {
    acquisition: logExpectedHypervolumeImprovement(gps, nonDominatedBoxes(front, limit)),
    anchors: hypervolumeSubset(front, anchors, limit).map(k => members[k]!),
  }
}
