import { LargestOfGaussians } from '../../numerics/largest-of-gaussians.ts'
import { logH } from '../../numerics/normal.ts'
import { type AffinePiece, pieceAt } from '../../scalarization.ts'
import type { RegressionForest } from './regression-forest.ts'

/** What the next candidate shall improve, by what forests believe. */
export interface ForestCriterion {
  /** Logarithm of the expected improvement at an input. */
  readonly logExpectedImprovement: (input: Float64Array) => number
  /** What the forests believe of the inputs known, least best; shape (n,). */
  readonly believed: readonly number[]
}

/** Expected improvement needs some doubt: a forest whose trees agree has none. */
const LEAST_DEVIATION = 1e-8

/** Improvement of a single loss. @param inputs known, shape (n, D). */
export function lossCriterion(forest: RegressionForest, inputs: readonly Float64Array[]): ForestCriterion {
  const believed = inputs.map(input => forest.predict(input).mean)
  const best = Math.min(...believed)
  return {
    logExpectedImprovement: input => {
      const { mean, variance } = forest.predict(input)
      const deviation = Math.max(LEAST_DEVIATION, Math.sqrt(variance))
      return logH((best - mean) / deviation) + Math.log(deviation)
    },
    believed,
  }
}

/**
 * Improvement of the largest of several functions of the objectives, with a forest for each of those: a forest of the largest itself would have to learn
 * where one takes over from another. Pieces are taken as independent Gaussians.
 * @param forests one per objective, of its losses.
 */
export function largestCriterion(
  forests: readonly RegressionForest[],
  pieces: readonly AffinePiece[],
  inputs: readonly Float64Array[],
): ForestCriterion {
  const integral = new LargestOfGaussians(pieces.length)
  const locations = new Float64Array(pieces.length)
  const scales = new Float64Array(pieces.length)
  const believed = inputs.map(input => {
    const means = forests.map(forest => forest.predict(input).mean)
    return pieces.reduce((most, piece) => Math.max(most, pieceAt(piece, means)), Number.NEGATIVE_INFINITY)
  })
  const best = Math.min(...believed)
  return {
    logExpectedImprovement: input => {
      const predicted = forests.map(forest => forest.predict(input))
      const means = predicted.map(({ mean }) => mean)
      for (const [i, piece] of pieces.entries()) {
        locations[i] = pieceAt(piece, means)
        const variance = piece.slopes.reduce((sum, slope, j) => sum + slope ** 2 * predicted[j]!.variance, 0)
        scales[i] = Math.max(LEAST_DEVIATION, Math.sqrt(variance))
      }
      return integral.logExpectedImprovement(locations, scales, best, false)
    },
    believed,
  }
}
