import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocateSharedMemory } from '../../src/merge/kernel/load.ts'
import { maskByRankTwin } from '../../src/merge/kernel/twin.ts'
import { positionKeys, positionRandom } from '../../src/merge/operators/hash-random.ts'
import { ranksWithin } from '../../src/merge/operators/order.ts'
import { instantiateStreamKernel } from '../../src/merge/stream/stream-kernel.ts'
import { lastKeptWord } from '../../src/merge/stream/stream-tensor.ts'
import { gen } from './fixture.ts'

const MOST = 1 << 18
const memory = allocateSharedMemory(24 << 20)
const kernel = instantiateStreamKernel(memory)
const BITS = 0
const BASE = 1 << 16
const [X, LAST, SCRATCH] = [1, 2, 3].map(k => BASE + k * (4 * MOST + 64)) as [number, number, number]
const RANKS = 8 << 20
const SEED = 5

/** What differences look like: of their own, on a grid, mostly none, too fine for float32, of all sizes, all alike. */
const KINDS: Record<string, (a: number, b: number) => readonly [number, number]> = {
  smooth: (a, b) => [a, a + b / 64],
  grid: (a, b) => [Math.round(a * 16) / 16, Math.round(a * 16) / 16 + Math.round(b * 8) / 128],
  sparse: (a, b) => [a, b > 1.2 ? a + b / 32 : a],
  rounded: (a, b) => [Math.round(a * 2), Math.round(b * 4) * 2 ** -26],
  wild: (a, b) => [0, a * 2 ** Math.round(12 * b)],
  tiny: (a, b) => [a * 2 ** -130, b * 2 ** -135],
  equal: (a, b) => [0, Math.sign(a * b)],
}

function expectTwin(kind: string, seed: number, rows: number, columns: number, density: number, epsilon: number) {
  const n = rows * columns
  const other = gen(seed + 7919, n)
  const pairs = Array.from(gen(seed, n), (a, i) => KINDS[kind]!(a, other[i]!))
  const [base, x] = [0, 1].map(k => Float32Array.from(pairs, pair => pair[k]!)) as [Float32Array, Float32Array]
  // What is behind the elements must not matter.
  new Float32Array(memory.buffer, BASE, n + 16).fill(3e38).set(base)
  new Float32Array(memory.buffer, X, n + 16).fill(-3e38).set(x)
  const last = new Uint32Array(memory.buffer, LAST, columns)
  for (let r = 0; r < columns; r++) {
    last[r] = lastKeptWord(columns === 1 ? density : density - epsilon + (2 * epsilon * r) / (columns - 1))
  }
  const bits = new Uint8Array(memory.buffer, BITS, Math.ceil(n / 8) + 8).fill(0)
  bits.fill(0xa5, Math.ceil(n / 8) + 3)
  const { key, second } = positionKeys(SEED, 'm', 'w')
  const first = 2 ** 31 - 40 // where the words of signed and unsigned positions part
  kernel.maskByRank(BITS, X, BASE, rows, columns, first, key, second, LAST, SCRATCH)
  const random = positionRandom(SEED, 'm', 'w')
  const kept = maskByRankTwin(x, base, columns, i => random.at(first + i) * 2 ** 32, last)
  const wrong = kept.findIndex((own, i) => own !== (((bits[i >> 3]! >> (i & 7)) & 1) === 1))
  expect(wrong).toBe(-1)
  if (columns <= 1 << 16) {
    kernel.rankRows(RANKS, X, BASE, rows, columns, SCRATCH)
    const { ranks } = ranksWithin(
      Float64Array.from(x, (own, i) => own - base[i]!),
      [rows, columns],
    )
    expect(new Uint16Array(memory.buffer, RANKS, n).findIndex((own, i) => own !== ranks[i])).toBe(-1)
  }
  expect([...bits.subarray(Math.ceil(n / 8) + 3)]).toEqual([0xa5, 0xa5, 0xa5, 0xa5, 0xa5])
}

describe('masks by rank in rows, and ranks', () => {
  it('are those of the definition, for rows of any length', () => {
    const density = fc.constantFrom([0.5, 0.1], [0.5, 0.49], [0.3, 0.25], [0.8, 0.15], [0.5, 0])
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(KINDS)),
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 9 }),
        fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 900 })),
        density,
        (kind, seed, rows, columns, [d, e]) => expectTwin(kind, seed, rows, columns, d!, e!),
      ),
      { numRuns: 400, seed: 4 },
    )
  })

  // Where many ranks are open, and where buckets are sorted.
  it.each(Object.keys(KINDS).flatMap(kind => [2048, 5631, 70_000].map(columns => [kind, columns] as const)))(
    'are those of the definition, for long rows: %s, %i',
    (kind, columns) => {
      expectTwin(kind, columns, 3, columns, 0.5, 0.45)
    },
  )
})
