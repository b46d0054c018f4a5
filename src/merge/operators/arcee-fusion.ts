import type { MergeOperator, TensorInput } from './operator.ts'
import { preparedSum } from './prepared-sum.ts'

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
  ...preparedSum({ structure: () => 'all', bases: importantChanges, coefficients: () => [1] }),
}

function importantChanges({ base, models, shape }: TensorInput): [Float64Array] {
  const x = models[0]!
  const row = shape.at(-1) ?? 1
  const importance = new Float64Array(x.length)
  for (let start = 0; start < x.length; start += row) {
    const divergence = divergenceOf(x.subarray(start, start + row), base!.subarray(start, start + row))
    for (let i = start; i < start + row; i++) importance[i] = Math.abs(x[i]! - base![i]!) * divergence
  }
  const sorted = importance.slice().sort()
  const quantile = (z: number): number => sorted[Math.trunc(z * (sorted.length - 1))]!
  const threshold = quantile(0.5) + 1.5 * (quantile(0.75) - quantile(0.25))
  return [base!.map((b, i) => (importance[i]! >= threshold ? x[i]! - b : 0))]
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
