import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocateSharedMemory, BLOCK_FLOATS, instantiateKernel } from '../../src/merge/kernel/load.ts'
import { importanceMeanTwin } from '../../src/merge/kernel/twin.ts'
import { TERM_BYTES } from '../../src/merge/layout.ts'
import { findOperator } from '../../src/merge/operators/registry.ts'
import { bits } from './fixture.ts'

const MOST = 6
const FLOATS = 5 * BLOCK_FLOATS
const memory = allocateSharedMemory(1 << 16)
const kernel = instantiateKernel(memory)
const [TERMS, OUT] = [0, 1024]
const xAt = (m: number) => 4096 + m * FLOATS * 4
const sAt = (m: number) => 16_384 + m * FLOATS * 4
const floats = (at: number) => new Float32Array(memory.buffer, at, FLOATS)
const terms = new DataView(memory.buffer, TERMS, MOST * TERM_BYTES)

/** Decades of float32, its subnormal numbers too, and 0. */
const importance = fc.oneof(
  fc.constant(0),
  fc.tuple(fc.integer({ min: -44, max: 37 }), fc.integer({ min: 100, max: 999 })).map(([e, k]) => k * 10 ** (e - 2)),
)
const x = fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, -0, 1, -1))
const weight = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1e-300, 2 ** 127))
const vector = (of: fc.Arbitrary<number>) =>
  fc
    .array(of, { minLength: 16, maxLength: 16 })
    .map(pool => Float32Array.from({ length: FLOATS }, (_, i) => pool[(i * 7) % 16]!))
const problem = fc.record({
  terms: fc.array(fc.record({ x: vector(x), s: vector(importance), w: weight }), { minLength: 1, maxLength: MOST }),
  delta: fc.constantFrom(1e-30, 1e-20, 1e-6, 1, 1e30),
  /** The pass takes two calls. */
  split: fc.integer({ min: 1, max: FLOATS / BLOCK_FLOATS - 1 }),
})

describe('the kernel of means weighted by importance', () => {
  it('has the bits of its plain twin, and of the definition', () => {
    fc.assert(
      fc.property(problem, ({ terms: [first, ...rest], delta, split }) => {
        const all = [{ ...first!, w: first!.w > 1e-30 ? first!.w : 1 }, ...rest] // one of a size that candidates have
        for (const [m, term] of all.entries()) {
          floats(xAt(m)).set(term.x)
          floats(sAt(m)).set(term.s)
          terms.setUint32(m * TERM_BYTES, xAt(m), true)
          terms.setUint32(m * TERM_BYTES + 4, sAt(m), true)
          terms.setFloat64(m * TERM_BYTES + 8, term.w, true)
        }
        floats(OUT).fill(Number.NaN)
        const half = split * BLOCK_FLOATS * 4
        const one = kernel.importanceMean(OUT, TERMS, all.length, delta, 0, 0, half)
        // The statistics of the second call begin where it says, whatever the weights' offset is.
        for (let m = 0; m < all.length; m++) terms.setUint32(m * TERM_BYTES + 4, sAt(m) + half - 64, true)
        const two = kernel.importanceMean(OUT + half, TERMS, all.length, delta, half, 64, FLOATS * 4 - half)
        const expected = new Float32Array(FLOATS)
        importanceMeanTwin(expected, all, delta)
        expect(bits(floats(OUT))).toEqual(bits(expected))
        const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
        expect(Math.max(one >>> 0, two >>> 0)).toBe(bits(Float32Array.of(largest))[0])
        const definition = findOperator('fisher').merge({
          ...{ name: 'w', shape: [FLOATS], base: undefined, survey: undefined, depth: undefined, seed: 0 },
          ...{ ids: all.map((_, m) => `${m}`), parameters: { delta }, coefficients: { weight: all.map(({ w }) => w) } },
          models: all.map(term => new Float64Array(term.x)),
          statistics: all.map(term => new Float64Array(term.s)),
        })
        expect(bits(Float32Array.from(definition))).toEqual(bits(expected))
      }),
      { numRuns: 300 },
    )
  })
})
