import { weight } from './common-parameters.ts'
import type { MergeOperator, TensorInput } from './operator.ts'
import { smallestFirst } from './order.ts'
import { preparedSum } from './prepared-sum.ts'
import { taskVectors } from './vectors.ts'

/**
 * L. Yu et al., "Extend model merging from fine-tuned to pre-trained large language models via weight disentanglement" (WIDEN), 2024, section 3: magnitudes and
 * directions of columns are ranked by how far they moved from the base; a softmax over the models of the ranks weighs the task vectors, and
 * what moved more than average gets a fixed score.
 */
export const widen: MergeOperator = {
  name: 'widen',
  title: 'WIDEN, weight disentanglement',
  reference: {
    text: 'Yu et al. 2024, Extend model merging via weight disentanglement',
    url: 'https://arxiv.org/abs/2408.03092',
  },
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'prepared',
  span: 'tensor',
  parameters: [
    {
      kind: 'number',
      name: 'above_average_ratio',
      description: 'From this multiple of the mean rank on a column counts as important.',
      default: 1,
      bounds: [0, Number.MAX_VALUE],
      searchRange: [0.5, 2],
    },
    {
      kind: 'number',
      name: 'calibration',
      description: 'Score of what is important.',
      default: 1,
      searchRange: [0.5, 1.5],
    },
  ],
  coefficients: [weight],
  ...preparedSum({
    structure: ({ parameters }) => parameters,
    bases: scored,
    coefficients: ({ coefficients }) => coefficients.weight!,
  }),
}

function scored({ base, models, shape, parameters }: TensorInput): Float64Array[] {
  const [ratio, calibration] = [Number(parameters.above_average_ratio), Number(parameters.calibration)]
  const taus = taskVectors(models, base!)
  const matrix = shape.length === 2
  const columns = matrix ? shape[1]! : base!.length
  const scores = matrix
    ? average(
        scoresOf(
          models.map(x => magnitudeChange(x, base!, columns)),
          ratio,
          calibration,
        ),
        scoresOf(
          models.map(x => directionChange(x, base!, columns)),
          ratio,
          calibration,
        ),
      )
    : calibrated(
        taus.map(tau => tau.map(Math.abs)),
        ratio,
        calibration,
      )
  return taus.map((tau, m) => tau.map((value, i) => value * scores[m]![i % columns]!))
}

function magnitudeChange(x: Float64Array, base: Float64Array, columns: number): Float64Array {
  const [a, b] = [columnNorms(x, columns), columnNorms(base, columns)]
  return a.map((value, j) => Math.abs(value - b[j]!))
}

/** 1 − cosine of each column with the base's. */
function directionChange(x: Float64Array, base: Float64Array, columns: number): Float64Array {
  const products = new Float64Array(columns)
  for (let i = 0; i < x.length; i++) products[i % columns]! += x[i]! * base[i]!
  const [a, b] = [columnNorms(x, columns), columnNorms(base, columns)]
  return products.map((value, j) => 1 - value / Math.max(a[j]! * b[j]!, Number.MIN_VALUE))
}

function columnNorms(x: Float64Array, columns: number): Float64Array {
  const squares = new Float64Array(columns)
  for (let i = 0; i < x.length; i++) squares[i % columns]! += x[i]! ** 2
  return squares.map(Math.sqrt)
}

/** Changes replaced by their ranks within the model, from 0 to (n − 1)/n, then scored. */
function scoresOf(changes: readonly Float64Array[], ratio: number, calibration: number): Float64Array[] {
  const ranked = changes.map(change => {
    const ranks = new Float64Array(change.length)
    stableOrder(change).forEach((j, rank) => {
      ranks[j] = rank / change.length
    })
    return ranks
  })
  return calibrated(ranked, ratio, calibration)
}

/** Ascending; equal values by position. `smallestFirst` puts later ones first, hence the reversal of positions. */
function stableOrder(values: Float64Array): Uint32Array {
  const last = values.length - 1
  return smallestFirst(values.slice().reverse()).map(i => last - i)
}

function calibrated(significance: readonly Float64Array[], ratio: number, calibration: number): Float64Array[] {
  const scores = significance.map(values => new Float64Array(values.length))
  const means = significance.map(values => values.reduce((total, value) => total + value, 0) / values.length)
  for (let j = 0; j < significance[0]!.length; j++) {
    const largest = Math.max(...significance.map(values => values[j]!))
    const powers = significance.map(values => Math.exp(values[j]! - largest))
    const total = powers.reduce((all, value) => all + value, 0)
    for (const [m, values] of significance.entries()) {
      scores[m]![j] = values[j]! > ratio * means[m]! ? calibration : powers[m]! / total
    }
  }
  return scores
}

function average(a: readonly Float64Array[], b: readonly Float64Array[]): Float64Array[] {
  return a.map((values, m) => values.map((value, j) => (value + b[m]![j]!) / 2))
}
