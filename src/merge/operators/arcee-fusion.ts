import type { MergeOperator, TensorInput, WindowedTensor, Windows } from './operator.ts'
import { preparedSum } from './prepared-sum.ts'
import { RankSearch } from './rank-search.ts'

/**
 * Takes over the changes that matter most: importance is |x − W0| times the Kullback-Leibler divergence of the softmax of its row from the
 * base's; elements at or above median + 1.5 × interquartile range move to the other model. mergekit's method; it estimates the quantiles of large
 * tensors from random samples, here they are exact.
 */
export const arceeFusion: MergeOperator = {
  name: 'arcee_fusion',
  title: 'Arcee Fusion',
  reference: {
    text: 'mergekit, method arcee_fusion',
    url: 'https://github.com/arcee-ai/mergekit/blob/main/docs/merge_methods.md',
  },
  base: 'required',
  models: [1, 1],
  cost: 'linear',
  span: 'tensor',
  parameters: [],
  coefficients: [],
  windows: inWindows,
  ...preparedSum({ structure: () => 'all', bases: importantChanges, coefficients: () => [1] }),
}

function importantChanges({ base, models, shape }: TensorInput): [Float64Array] {
  const x = models[0]!
  const importance = importanceOf(x, base!, shape.at(-1) ?? 1)
  const sorted = importance.slice().sort()
  const threshold = thresholdOf(QUARTILES.map(z => sorted[rankOf(z, sorted.length)]!))
  return [base!.map((b, i) => (importance[i]! >= threshold ? x[i]! - b : 0))]
}

const QUARTILES = [0.25, 0.5, 0.75] as const

function rankOf(z: number, elements: number): number {
  return Math.trunc(z * (elements - 1))
}

function thresholdOf([lower, median, upper]: readonly number[]): number {
  return median! + 1.5 * (upper! - lower!)
}

function importanceOf(x: Float64Array, base: Float64Array, row: number): Float64Array {
  const importance = new Float64Array(x.length)
  for (let start = 0; start < x.length; start += row) {
    const divergence = divergenceOf(x.subarray(start, start + row), base.subarray(start, start + row))
    for (let i = start; i < start + row; i++) importance[i] = Math.abs(x[i]! - base[i]!) * divergence
  }
  return importance
}

/** Rows stay together; the quartiles are searched for. */
function inWindows({ elements, shape }: WindowedTensor): Windows {
  const row = shape.at(-1) ?? 1
  const search = new RankSearch(elements, () => QUARTILES.map(z => rankOf(z, elements)))
  return {
    unit: row,
    passes: search.passes(({ base, models }) => importanceOf(models[0]!, base!, row)),
    merge: ({ base, models }) => {
      const x = models[0]!
      const importance = importanceOf(x, base!, row)
      const threshold = thresholdOf(QUARTILES.map((_, at) => search.value(at)))
      return base!.map((b, i) => b + (importance[i]! >= threshold ? x[i]! - b : 0))
    },
  }
}

/** Σ P ln(P / Q) with P, Q the softmax of x, b plus 1e-8: slightly negative values occur, as the sums are not 1. */
function divergenceOf(x: Float64Array, b: Float64Array): number {
  const [P, Q] = [softmax(x), softmax(b)]
  let sum = 0
  for (let i = 0; i < P.length; i++) sum += P[i]! * Math.log(P[i]! / Q[i]!)
  return sum
}

function softmax(x: Float64Array): Float64Array {
  const largest = x.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY)
  const powers = x.map(value => Math.exp(value - largest))
  const total = powers.reduce((sum, value) => sum + value, 0)
  return powers.map(value => value / total + 1e-8)
}
