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
  const threshold = thresholdOf(quartileRanks(sorted.length).map(rank => sorted[rank]!))
  return [base!.map((b, i) => (importance[i]! >= threshold ? x[i]! - b : 0))]
}

/** Ranks of the three quartiles, from 0 for the smallest. */
export function quartileRanks(elements: number): readonly number[] {
  return [0.25, 0.5, 0.75].map(z => Math.trunc(z * (elements - 1)))
}

/** The least importance of what is taken over. */
export function thresholdOf([lower, median, upper]: readonly number[]): number {
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
  const search = new RankSearch(elements, () => quartileRanks(elements))
  return {
    unit: row,
    passes: search.passes(({ base, models }) => importanceOf(models[0]!, base!, row)),
    merge: ({ base, models }) => {
      const x = models[0]!
      const importance = importanceOf(x, base!, row)
      const threshold = thresholdOf([0, 1, 2].map(at => search.value(at)))
      return base!.map((b, i) => b + (importance[i]! >= threshold ? x[i]! - b : 0))
    },
  }
}

/**
 * Σ P ln(P / Q) with P, Q the softmax of x, b plus 1e-8: slightly negative values occur, as the sums are not 1. The last bits are those of this
 * order of operations, and of the machine's exponential and logarithm: rows that are nearly equal have hardly more than those.
 */
export function divergenceOf(x: Float64Array, b: Float64Array): number {
  const [P, Q] = [softmax(x), softmax(b)]
  let sum = 0
  for (let i = 0; i < P.length; i++) sum += P[i]! * Math.log(P[i]! / Q[i]!)
  return sum
}

function softmax(x: Float64Array): Float64Array {
  const powers = new Float64Array(x.length)
  let [largest, total] = [Number.NEGATIVE_INFINITY, 0]
  for (let i = 0; i < x.length; i++) largest = Math.max(largest, x[i]!)
  for (let i = 0; i < x.length; i++) {
    const power = Math.exp(x[i]! - largest)
    powers[i] = power
    total += power
  }
  for (let i = 0; i < x.length; i++) powers[i] = powers[i]! / total + 1e-8
  return powers
}
