import { type AffinePiece, pieceAt } from '../../../scalarization.ts'
import type { Gp } from '../gp.ts'
import type { OutputTransform } from '../output-transform.ts'
import type { Criterion } from './criterion.ts'
import { logExpectedImprovementOfLargest } from './log-ei-of-largest.ts'

/**
 * The criterion of the one point that a scalarisation calls best, by models of the single objectives: they are smooth where the scalarised loss has
 * kinks, and know each objective's noise. The value to improve on is that of the models' means at their observations, as for hypervolume.
 *
 * @param gps one per objective, of the same observations in the same order, at least one.
 * @param transforms of the models, affine.
 * @param pieces of the losses: the scalarised loss is the largest.
 * @param anchors how many at most.
 */
export function scalarizedCriterion(
  gps: readonly Gp[],
  transforms: readonly OutputTransform[],
  pieces: readonly AffinePiece[],
  anchors: number,
): Criterion {
  const ofTargets = pieces.map(piece => ofTarget(piece, transforms))
  const columns = gps.map(gp => gp.fittedMeans())
  const values = Array.from(columns[0]!, (_, i) => {
    const point = columns.map(column => column[i]!)
    return ofTargets.reduce((most, piece) => Math.max(most, pieceAt(piece, point)), Number.NEGATIVE_INFINITY)
  })
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]! || a - b)
  return {
    acquisition: logExpectedImprovementOfLargest(gps, ofTargets, values[order[0]!]!),
    anchors: order.slice(0, anchors),
  }
}

/** A function of the losses as one of the models' targets: loss = shift + scale · target. */
function ofTarget({ offset, slopes }: AffinePiece, transforms: readonly OutputTransform[]): AffinePiece {
  return {
    offset: slopes.reduce((sum, slope, j) => sum + slope * transforms[j]!.shift, offset),
    slopes: slopes.map((slope, j) => slope * transforms[j]!.scale),
  }
}
