import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocateSharedMemory, BLOCK_FLOATS, instantiateKernel } from '../../src/merge/kernel/load.ts'
import { findEqualTwin, linesTwin, magnitudesTwin } from '../../src/merge/kernel/twin.ts'
import { bits } from './fixture.ts'

const MODELS = 4
const MOST = 6 * BLOCK_FLOATS
const memory = allocateSharedMemory(1 << 20)
const kernel = instantiateKernel(memory)
const POINTERS = 0
const COEFFICIENTS = 1024
const OUT = 65_536
const BASE = OUT + 4 * MOST
const COUNTERS = 1 << 18
const at = (model: number) => BASE + 4 * MOST * (1 + model)
const floats = (address: number, count: number) => new Float32Array(memory.buffer, address, count)

/** Few of them, so that magnitudes are often equal; both zeros and a subnormal among them. */
const value = fc.constantFrom(0, -0, 1, -1, 0.1, -0.3, 2.5, -7, 1e-40, 3e4)
const given = fc.record({ elements: fc.integer({ min: 1, max: MOST }) }).chain(({ elements }) =>
  fc.record({
    base: fc.array(value, { minLength: elements, maxLength: elements }),
    models: fc.array(fc.array(value, { minLength: elements, maxLength: elements }), {
      minLength: 1,
      maxLength: MODELS,
    }),
    length: fc.integer({ min: 1, max: elements }),
    first: fc.nat(elements),
    based: fc.boolean(),
    coefficients: fc.array(fc.constantFrom(0.5, -0.25, 1, 1 / 3, 0), { minLength: 64, maxLength: 64 }),
  }),
)

function place(base: readonly number[], models: readonly (readonly number[])[]) {
  floats(BASE, MOST).fill(0)
  floats(BASE, base.length).set(base)
  for (const [m, model] of models.entries()) {
    floats(at(m), MOST).fill(0)
    floats(at(m), model.length).set(model)
    new Uint32Array(memory.buffer, POINTERS, MODELS)[m] = at(m)
  }
}

describe('kernels with coefficients by row or column, and their plain twin', () => {
  it.each(['linearByRow', 'linearByColumn'] as const)('give the same bits: %s', name => {
    fc.assert(
      fc.property(given, ({ base, models, length, first: start, based, coefficients }) => {
        place(base, models)
        const elements = base.length
        const first = start % length // of the line in which the elements begin
        const lines = Math.ceil((first + elements) / length)
        const stride = name === 'linearByRow' ? lines : length
        const table = floats(COEFFICIENTS, models.length * stride)
        for (let k = 0; k < table.length; k++) table[k] = coefficients[(k * 7) % coefficients.length]!
        const largest = kernel[name](
          OUT,
          based ? BASE : 0,
          POINTERS,
          COEFFICIENTS,
          models.length,
          stride,
          first,
          length,
          0,
          elements,
        )
        const own = (j: number, i: number) => {
          const line = Math.floor((first + i) / length)
          return table[j * stride + (name === 'linearByRow' ? line : (first + i) % length)]!
        }
        const twin = new Float32Array(elements)
        const arrays = models.map(model => Float32Array.from(model))
        linesTwin(twin, based ? Float32Array.from(base) : undefined, arrays, own)
        expect(bits(floats(OUT, elements).slice())).toEqual(bits(twin))
        const most = Math.max(...new Uint32Array(twin.map(Math.abs).buffer))
        expect(largest >>> 0).toBe(most)
      }),
      { numRuns: 500 },
    )
  })
})

describe('kernels that select by magnitude, and their plain twins', () => {
  it('count and find the same elements', () => {
    fc.assert(
      fc.property(given, fc.nat(), fc.integer({ min: 1, max: MOST }), ({ base, models: [x] }, pick, nth) => {
        place(base, [x!])
        const elements = base.length
        const magnitudes = magnitudesTwin(Float32Array.from(x!), Float32Array.from(base))
        const wanted = magnitudes[pick % elements]!
        const uppers = new Uint32Array(memory.buffer, COUNTERS, 1 << 16).fill(0)
        kernel.countUpper(COUNTERS, at(0), BASE, elements)
        expect(uppers[wanted >>> 15]).toBe(magnitudes.filter(m => m >>> 15 === wanted >>> 15).length)
        expect(uppers.reduce((sum, count) => sum + count)).toBe(elements)
        const lowers = new Uint32Array(memory.buffer, COUNTERS, 1 << 15).fill(0)
        kernel.countLower(COUNTERS, at(0), BASE, wanted >>> 15, elements)
        expect(lowers[wanted & 0x7fff]).toBe(magnitudes.filter(m => m === wanted).length)
        expect(kernel.findEqual(at(0), BASE, wanted, nth, elements)).toBe(findEqualTwin(magnitudes, wanted, nth))
      }),
      { numRuns: 500 },
    )
  })
})
