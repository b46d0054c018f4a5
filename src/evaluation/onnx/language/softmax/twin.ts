import type { SoftmaxSums } from './softmax.ts'

/** `assembly/index.ts` in plain TypeScript: the same operations in the same order, hence the same bits. The tests compare both. */

const ROUND = 1.5 * 2 ** 52
const [LN2_HIGH, LN2_LOW] = [0.6931471803691238, 1.9082149292705877e-10]
const LEAST = -708

export function softmaxSumsTwin(row: Float32Array): SoftmaxSums {
  let max = Number.NEGATIVE_INFINITY
  for (const z of row) if (z > max) max = z
  const sums = [0, 0, 0, 0] // of every fourth element
  const weighted = [0, 0, 0, 0]
  for (let i = 0; i < Math.ceil(row.length / 4) * 4; i++) {
    const difference = (row[i] ?? Number.NEGATIVE_INFINITY) - max
    const x = difference < LEAST ? LEAST : difference
    const power = exp(x)
    sums[i % 4]! += power
    weighted[i % 4]! += x * power
  }
  const total = (parts: readonly number[]): number => parts[0]! + parts[2]! + (parts[1]! + parts[3]!)
  return { max: max + 0, best: Math.max(0, row.indexOf(max)), sum: total(sums), weighted: total(weighted) }
}

function exp(x: number): number {
  const k = x * Math.LOG2E + ROUND - ROUND
  const r = x - k * LN2_HIGH - k * LN2_LOW
  let [odd, even] = [1 / factorial(13), 1 / factorial(12)]
  for (let power = 11; power > 0; power -= 2) {
    odd = odd * (r * r) + 1 / factorial(power)
    if (power > 1) even = even * (r * r) + 1 / factorial(power - 1)
  }
  return (odd * r + even * (r * r) + 1) * 2 ** k
}

function factorial(n: number): number {
  return n < 2 ? 1 : n * factorial(n - 1)
}
