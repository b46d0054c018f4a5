import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocateSharedMemory, BLOCK_FLOATS, instantiateKernel, isFiniteResult } from '../../src/merge/kernel/load.ts'
import { linearTwin, taskArithmeticTwin } from '../../src/merge/kernel/twin.ts'
import { bits } from './fixture.ts'

const MOST_SOURCES = 17
const MOST_BLOCKS = 5
const FLOATS = MOST_BLOCKS * BLOCK_FLOATS
const memory = allocateSharedMemory(65_536)
const kernel = instantiateKernel(memory)
const pointers = new Uint32Array(memory.buffer, 0, MOST_SOURCES)
const coefficientsAt = 128
const coefficients = new Float32Array(memory.buffer, coefficientsAt, MOST_SOURCES)
const at = (slot: number) => 1024 + slot * FLOATS * 4
const view = (slot: number, length = FLOATS) => new Float32Array(memory.buffer, at(slot), length)
const OUT = 0
const BASE = 1

/** Every finite float32, small and large exponents alike: subnormals and both zeros come up often. */
const float32 = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 2 ** -149, -(2 ** -149), 2 ** -127, 1, -1, 3.4e38),
  fc.float({ noNaN: true, min: Math.fround(-1.2e-38), max: Math.fround(1.2e-38) }),
)
const problem = fc.integer({ min: 1, max: MOST_BLOCKS }).chain(blocks => {
  const values = fc.array(float32, { minLength: 24, maxLength: 24 }).map(pool => {
    // A pool repeated with a stride that is prime to its length: cheap to shrink, different in every lane.
    return Float32Array.from({ length: blocks * BLOCK_FLOATS }, (_, i) => pool[(i * 7) % pool.length]!)
  })
  return fc.record({
    base: values,
    terms: fc.array(fc.record({ x: values, c: float32 }), { minLength: 1, maxLength: MOST_SOURCES }),
  })
})

function place(terms: readonly { x: Float32Array; c: number }[]): Float32Array {
  terms.forEach(({ x, c }, j) => {
    view(2 + j, x.length).set(x)
    pointers[j] = at(2 + j)
    coefficients[j] = c
  })
  return coefficients.slice(0, terms.length)
}

/** NaN has many bit patterns, and machines may choose: only that it is one counts. */
function sameBits(a: Float32Array, b: Float32Array): void {
  for (const [i, value] of a.entries()) if (Number.isNaN(value) && Number.isNaN(b[i]!)) a[i] = b[i] = 0
  expect(bits(a)).toEqual(bits(b))
}

describe('the SIMD kernel and its plain twin', () => {
  it('give the same bits for a linear combination of any number of terms', () => {
    fc.assert(
      fc.property(problem, ({ terms }) => {
        const length = terms[0]!.x.length
        const c = place(terms)
        const largest = kernel.linear(at(OUT), 0, coefficientsAt, terms.length, 0, length * 4)
        const twin = new Float32Array(length)
        linearTwin(
          twin,
          terms.map(({ x }) => x),
          c,
        )
        expect(isFiniteResult(largest)).toBe(twin.every(Number.isFinite))
        sameBits(view(OUT, length).slice(), twin)
      }),
      { numRuns: 500, seed: 1 },
    )
  })

  it('give the same bits for task arithmetic with any number of terms', () => {
    fc.assert(
      fc.property(problem, ({ base, terms }) => {
        const length = base.length
        const c = place(terms)
        view(BASE, length).set(base)
        const largest = kernel.taskArithmetic(at(OUT), at(BASE), 0, coefficientsAt, terms.length, 0, length * 4)
        const twin = new Float32Array(length)
        taskArithmeticTwin(
          twin,
          base,
          terms.map(({ x }) => x),
          c,
        )
        expect(isFiniteResult(largest)).toBe(twin.every(Number.isFinite))
        sameBits(view(OUT, length).slice(), twin)
      }),
      { numRuns: 500, seed: 2 },
    )
  })

  it.each(Array.from({ length: 16 }, (_, k) => k + 1))('agree for ordinary weights and %i terms', count => {
    const numbers = (seed: number) => Float32Array.from({ length: FLOATS }, (_, i) => Math.sin(seed * 1e4 + i * 1.7))
    const base = numbers(0)
    const terms = Array.from({ length: count }, (_, j) => ({ x: numbers(j + 1), c: Math.fround(0.9 - j * 0.13) }))
    const c = place(terms)
    view(BASE).set(base)
    const twin = new Float32Array(FLOATS)
    const xs = terms.map(({ x }) => x)
    kernel.linear(at(OUT), 0, coefficientsAt, count, 0, FLOATS * 4)
    linearTwin(twin, xs, c)
    expect(bits(view(OUT).slice())).toEqual(bits(twin))
    kernel.taskArithmetic(at(OUT), at(BASE), 0, coefficientsAt, count, 0, FLOATS * 4)
    taskArithmeticTwin(twin, base, xs, c)
    expect(bits(view(OUT).slice())).toEqual(bits(twin))
  })
})

describe('a kernel', () => {
  it('writes exactly the bytes it is told to', () => {
    view(OUT).fill(7)
    place([{ x: new Float32Array(FLOATS).fill(1), c: 2 }])
    kernel.linear(at(OUT), 0, coefficientsAt, 1, 0, 64)
    expect([...view(OUT)]).toEqual([...Array(16).fill(2), ...Array(FLOATS - 16).fill(7)])
    kernel.linear(at(OUT), 0, coefficientsAt, 1, 0, 0)
    expect(view(OUT)[0]).toBe(2)
  })

  it('reads its terms and its base at the offset, and writes without it', () => {
    const x = Float32Array.from({ length: FLOATS }, (_, i) => i)
    place([{ x, c: 1 }])
    view(BASE).set(x.map(value => -value))
    kernel.linear(at(OUT), 0, coefficientsAt, 1, 64, 64)
    expect([...view(OUT, 16)]).toEqual(Array.from({ length: 16 }, (_, i) => 16 + i))
    coefficients[0] = 0.5
    kernel.taskArithmetic(at(OUT), at(BASE), 0, coefficientsAt, 1, 64, 64)
    expect([...view(OUT, 16)]).toEqual(Array(16).fill(0))
  })

  it('reports the largest magnitude, of negative values too', () => {
    const x = new Float32Array(16).fill(0.5)
    x[11] = -6
    place([{ x, c: 1 }])
    const largest = kernel.linear(at(OUT), 0, coefficientsAt, 1, 0, 64)
    expect(new Float32Array(Uint32Array.of(largest).buffer)[0]).toBe(6)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('reports a %d in any lane', bad => {
    for (let lane = 0; lane < 16; lane++) {
      const x = new Float32Array(16)
      x[lane] = bad
      place([{ x, c: 1 }])
      expect(isFiniteResult(kernel.linear(at(OUT), 0, coefficientsAt, 1, 0, 64))).toBe(false)
    }
  })

  it('keeps the bits of the base where the deltas add up to zero, minus zero included', () => {
    const base = Float32Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? -0 : 1e-45 * i))
    view(BASE, 16).set(base)
    place([
      { x: base, c: 0.7 },
      { x: base, c: -3 },
    ])
    kernel.taskArithmetic(at(OUT), at(BASE), 0, coefficientsAt, 2, 0, 64)
    expect(bits(view(OUT, 16).slice())).toEqual(bits(base))
  })
})
