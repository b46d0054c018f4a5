import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocateSharedMemory, instantiateKernel } from '../../src/merge/kernel/load.ts'
import { positionKeys, positionRandom } from '../../src/merge/operators/hash-random.ts'
import { smallestFirst } from '../../src/merge/operators/order.ts'
import { gen } from './fixture.ts'

const MOST = 70_000
const memory = allocateSharedMemory(4 << 20)
const kernel = instantiateKernel(memory)
const [BASE, X, OUT, PARTIAL, SCRATCH] = [0, 4 * MOST, 8 * MOST, 12 * MOST, 13 * MOST].map(
  at => Math.ceil(at / 64) * 64,
) as [number, number, number, number, number]

/** Writes base and model, zeros behind them. @returns the magnitudes of the differences as float32 */
function place(base: ArrayLike<number>, x: ArrayLike<number>): Float64Array {
  const [to, from] = [X, BASE].map(at => new Float32Array(memory.buffer, at, MOST).fill(0)) as [
    Float32Array,
    Float32Array,
  ]
  to.set(x)
  from.set(base)
  return Float64Array.from(x, (_, i) => Math.abs(Math.fround(to[i]! - from[i]!)))
}

/** Up to the order of additions. */
function expectEqual(found: number, expected: number) {
  expect(Math.abs(found - expected)).toBeLessThanOrEqual(1e-12 * Math.abs(expected))
}

function expectSorted(magnitudes: Float64Array) {
  const n = magnitudes.length
  kernel.sortPositions(OUT, PARTIAL, X, BASE, n, SCRATCH)
  const order = smallestFirst(magnitudes)
  expect(new Uint32Array(memory.buffer, OUT, n).every((position, r) => position === order[r])).toBe(true)
  const partial = new Float64Array(memory.buffer, PARTIAL, Math.floor(n / 1024) + 1)
  let sum = 0
  for (let r = 0; r <= n; r++) {
    if (r % 1024 === 0) expectEqual(partial[r / 1024]!, sum)
    if (r < n) sum += magnitudes[order[r]!]!
  }
  const [begin, end] = [n >> 2, n - (n >> 3)]
  const between = order.subarray(begin, end).reduce((total, i) => total + magnitudes[i]!, 0)
  expectEqual(kernel.sumRanks(OUT, X, BASE, begin, end), between)
}

describe('positions by rank', () => {
  const value = fc.oneof(
    fc.constantFrom(0, -0, 1e-40, 0.5, -0.5, 1e38, -1e38),
    fc.float({ min: -2, max: 2, noNaN: true }),
  )

  it('are in the order of the definition, for any numbers and counts', () => {
    const vectors = fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 3000 })
    fc.assert(
      fc.property(vectors, pairs => {
        expectSorted(
          place(
            pairs.map(([base]) => base),
            pairs.map(([, x]) => x),
          ),
        )
      }),
      { numRuns: 60, seed: 3 },
    )
  })

  it.each([
    ['distinct', undefined],
    ['few', (i: number) => (i % 3) / 8],
    ['equal', () => 0.25],
    ['none', () => 0],
  ] as const)('are in the order of the definition where buckets are large: %s magnitudes', (_, at) => {
    const x = gen(7, MOST).map((own, i) => (at === undefined ? own * 1e-3 + i * 1e-7 : at(i)))
    for (const n of [MOST, MOST - 7]) expectSorted(place(new Float32Array(n), x.slice(0, n)))
  })
})

describe('sums by random number', () => {
  it('are those over the elements below a threshold, wherever it lies', () => {
    const n = MOST - 3
    const magnitudes = place(gen(5, n), gen(6, n))
    const { key, second } = positionKeys(9, 'm', 'w')
    const random = positionRandom(9, 'm', 'w')
    const words = Float64Array.from(magnitudes, (_, i) => random.at(i) * 2 ** 32)
    kernel.chanceSums(SCRATCH, X, BASE, key, second, n)
    const table = new Float64Array(memory.buffer, SCRATCH, 65_537)
    const direct = (low: number, high: number) =>
      magnitudes.reduce((sum, own, i) => sum + (words[i]! >= low && words[i]! < high ? own : 0), 0)
    for (const entry of [0, 1, 777, 65_535, 65_536]) expect(table[entry]).toBeCloseTo(direct(0, entry * 65_536), 8)
    const thresholds = [words[0]!, words[1]! + 1, words[n - 1]!, words[n - 1]! + 1, 3, 2 ** 32 - 1]
    for (const threshold of thresholds) {
      const begin = threshold - (threshold % 65_536)
      const end = begin + 65_536
      const below = kernel.chanceSum(X, BASE, key, second, begin, threshold, n)
      const above = kernel.chanceSum(X, BASE, key, second, threshold, end, n)
      expect(below).toBeCloseTo(direct(begin, threshold), 12)
      expect(above).toBeCloseTo(direct(threshold, end), 12)
    }
    const all = kernel.chanceSum(X, BASE, key, second, words[5]! - (words[5]! % 65_536), words[5]! + 1, n)
    expect(all).toBeGreaterThanOrEqual(magnitudes[5]!)
  })
})
