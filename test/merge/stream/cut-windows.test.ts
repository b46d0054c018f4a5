import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocateSharedMemory } from '../../../src/merge/kernel/load.ts'
import { settingsOf } from '../../../src/merge/operators/apply.ts'
import { findOperator } from '../../../src/merge/operators/registry.ts'
import { instantiateStreamKernel } from '../../../src/merge/stream/stream-kernel.ts'
import { gen } from '../fixture.ts'
import { define, relativeDifference, stream } from './fixture.ts'

/** Just enough to be sampled, and no whole number of blocks. */
const ELEMENTS = (1 << 20) + 13
const SAMPLE = 256 * 1024

const smooth = (seed: number) => {
  const [a, b] = [gen(seed, ELEMENTS), gen(seed + 1, ELEMENTS)]
  return Float32Array.from(a, (own, i) => own * b[i]! + 1e-3 * Math.sin(i * seed))
}

/** Which differences two models have from a base of zeros, how often a tensor is gone through besides the sample. */
const CASES: Readonly<Record<string, readonly [(seed: number) => Float32Array, number]>> = {
  'all different': [smooth, 2],
  'equal in crowds': [seed => Float32Array.from(gen(seed, ELEMENTS)), 2],
  'mostly zero': [seed => smooth(seed).map((own, i) => (i % 8 === 0 ? own : 0)), 2],
  'larger at the end': [seed => smooth(seed).map((own, i) => own * (1 + i / ELEMENTS)), 2],
  // What the sample hits is another size than the rest: the cut is outside of the window, and found as if there were none.
  misleading: [seed => smooth(seed).map((own, i) => ((i * 255) % (ELEMENTS - 1024) < 1024 * 255 ? own : 16 * own)), 4],
}

function problem(method: string, vector: (seed: number) => Float32Array, dtype: 'F32' | 'BF16') {
  const operator = findOperator(method)
  const coefficients = [0.5, 0.3].map(density =>
    Object.fromEntries(
      operator.coefficients.map(({ name }) => [name, { weight: 0.75, density, gamma: 0.05 }[name as 'density']]),
    ),
  )
  return {
    operator,
    settings: settingsOf(operator, { parameters: {}, coefficients, seed: 1 }, true, 'a test'),
    shape: [ELEMENTS],
    base: new Float32Array(ELEMENTS),
    models: [vector(3), vector(8)],
    dtypes: [dtype, dtype, dtype] as const,
  }
}

describe('cuts of sampled tensors', () => {
  it.each(Object.entries(CASES))('are those of the definition where magnitudes are %s', (_, [vector, passes]) => {
    for (const [method, dtype] of [
      ['ties', 'F32'],
      ['breadcrumbs', 'BF16'],
    ] as const) {
      const given = problem(method, vector, dtype)
      const found = stream(given)!
      expect(found.merged).toBe(true)
      expect(relativeDifference(found.values, define(given))).toBeLessThan(1e-6)
      if (method === 'breadcrumbs') continue
      expect(found.bytesRead).toBe((passes * ELEMENTS + SAMPLE) * 3 * 4)
    }
  })

  it('leave a NaN and an infinity to the definition', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const given = problem('ties', smooth, 'F32')
      given.models[1]![700_001] = bad
      expect(stream(given)!.merged).toBe(false)
    }
  })
})

describe('the count around a window', () => {
  const memory = allocateSharedMemory(1 << 20)
  const kernel = instantiateStreamKernel(memory)
  const [TABLE, X, BASE, STATE] = [0, 600_000, 610_048, 620_032]

  it('is that of the magnitudes, one by one', () => {
    const value = fc.oneof(
      fc.float({ min: -2, max: 2, noNaN: true }),
      fc.constantFrom(1, 1.0078125, -1, 0, -0, 1e-30, 3e38, -3e38, Number.NaN),
    )
    const vectors = fc.array(fc.tuple(value, value), { minLength: 16, maxLength: 160 })
    fc.assert(
      fc.property(vectors, fc.integer({ min: 0, max: 0x7f7e }), fc.integer({ min: 1, max: 2 }), (all, high, bins) => {
        const pairs = all.slice(0, all.length & ~15)
        const low = (high % 3 === 0 ? 0x3f80 - (high & 1) : high) * 65_536
        const size = bins * 65_536
        const table = new Uint32Array(memory.buffer, TABLE, size).fill(0)
        const [x, b] = [X, BASE].map((at, k) => {
          const own = new Float32Array(memory.buffer, at, pairs.length)
          own.set(pairs.map(pair => pair[k]!))
          return own
        }) as [Float32Array, Float32Array]
        const state = new Uint32Array(memory.buffer, STATE, 3).fill(0)
        kernel.countWindow(TABLE, X, BASE, low, size, STATE, pairs.length)
        const expected = { above: 0, most: 0, rounded: 0, counts: new Map<number, number>() }
        for (const [i, own] of x.entries()) {
          const exact = own - b[i]!
          const bits = new Uint32Array(Float32Array.of(Math.abs(exact)).buffer)[0]!
          expected.most = Math.max(expected.most, bits)
          if (bits >= low + size) expected.above++
          else if (bits >= low) {
            expected.counts.set(bits - low, (expected.counts.get(bits - low) ?? 0) + 1)
            if (Math.fround(exact) !== exact) expected.rounded |= 1 << ((bits - low) >>> 16)
          }
        }
        const counts = new Map([...table.entries()].filter(([, count]) => count > 0))
        expect([state[0], state[2]]).toEqual([expected.above, expected.rounded])
        expect(state[1]! >= 0x7f800000).toBe(expected.most >= 0x7f800000)
        if (expected.most < 0x7f800000) expect(state[1]).toBe(expected.most)
        expect(new Map([...counts].sort(([p], [q]) => p - q))).toEqual(
          new Map([...expected.counts].sort(([p], [q]) => p - q)),
        )
      }),
      { numRuns: 100, seed: 4 },
    )
  })
})
