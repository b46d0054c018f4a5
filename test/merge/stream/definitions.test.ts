import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { WeightDtype } from '../../../src/formats/dtype.ts'
import { settingsOf } from '../../../src/merge/operators/apply.ts'
import { findOperator } from '../../../src/merge/operators/registry.ts'
import { gen } from '../fixture.ts'
import { define, type Problem, relativeDifference, type Streamed, stream } from './fixture.ts'

/** What task vectors look like: all different, on a coarse grid with many ties, mostly zero, or of very different sizes. */
const KINDS = ['smooth', 'coarse', 'sparse', 'wild'] as const

function deltas(kind: (typeof KINDS)[number], seed: number, count: number): Float32Array {
  const numbers = gen(seed, count)
  const other = gen(seed + 1000, count)
  switch (kind) {
    case 'smooth':
      return Float32Array.from(numbers, (value, i) => value / 8 + other[i]! / 4096)
    case 'coarse':
      return Float32Array.from(numbers, value => Math.round(value) / 4)
    case 'sparse':
      return Float32Array.from(numbers, (value, i) => (other[i]! > 1 ? value / 4 : 0))
    case 'wild':
      return Float32Array.from(numbers, (value, i) => value * 2 ** Math.round(4 * other[i]!))
  }
}

const dtype = fc.constantFrom<WeightDtype>('F32', 'BF16', 'F16')
const shape: fc.Arbitrary<readonly number[]> = fc.oneof(
  fc.constant<readonly number[]>([]),
  fc.integer({ min: 1, max: 150 }).map(n => [n]),
  fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 40 })),
)
const sizes = fc.record({
  chunk: fc.integer({ min: 1, max: 4 }).map(blocks => blocks * 16),
  tile: fc.integer({ min: 1, max: 200 }),
})
const density = fc.oneof(fc.constantFrom(0.5, 1, 0.9), fc.double({ min: 0.26, max: 0.74, noNaN: true }))

const modelCounts = (name: string) => {
  const [least, most] = findOperator(name).models
  return { minLength: least, maxLength: Math.min(most, 4) }
}

const problems = (name: string) =>
  fc
    .record({
      shape,
      sizes,
      seed: fc.integer({ min: 1, max: 1e6 }),
      kinds: fc.array(fc.constantFrom(...KINDS), modelCounts(name)),
      dtypes: fc.oneof(
        fc.array(dtype, { minLength: 5, maxLength: 5 }),
        dtype.map(one => Array(5).fill(one)),
      ),
      work: fc.constantFrom<WeightDtype | undefined>(undefined, undefined, 'F32', 'BF16', 'F16'),
      weights: fc.array(fc.constantFrom(1, 0.5, 0.3, 1.25, 0), { minLength: 4, maxLength: 4 }),
      densities: fc.array(density, { minLength: 4, maxLength: 4 }),
      gamma: fc.constantFrom(0, 0.01, 0.1, 0.3),
      flavor: fc.constantFrom('mergekit', 'paper'),
      own: fc.record({
        lambda: fc.constantFrom(1, 0.7),
        normalize: fc.boolean(),
        rescale: fc.boolean(),
        t: fc.double({ min: 0, max: 1, noNaN: true }),
        select_topk: fc.oneof(fc.constantFrom(0, 0.5, 1), fc.double({ min: 0, max: 1, noNaN: true })),
        floor: fc.constantFrom(0, 1e-6, 1),
        epsilon: fc.constantFrom(0, 1e-5, 0.25, 0.05),
        r: fc.constantFrom(0.1, 2, -1),
        alpha: fc.constantFrom(0.3, 1, 0.2),
        k: fc.integer({ min: 0, max: 3 }),
      }),
    })
    .map((given): Problem => {
      const operator = findOperator(name)
      const elements = given.shape.reduce((product, size) => product * size, 1)
      const base = Float32Array.from(gen(given.seed, elements))
      const models = given.kinds.map((kind, m) => {
        const delta = deltas(kind, given.seed + 7 * (m + 1), elements)
        return base.map((value, i) => value + delta[i]!)
      })
      const flavor = operator.family?.sparsifier === 'random' ? given.flavor : 'mergekit'
      const known = operator.parameters.map(parameter => parameter.name)
      const parameters = Object.fromEntries(
        Object.entries({ ...given.own, flavor }).filter(([key]) => known.includes(key)),
      )
      const coefficients = models.map((_, m) => {
        const own = { weight: given.weights[m]!, density: given.densities[m]!, mask_lambda: given.densities[m]! }
        const values = { ...own, gamma: given.gamma, epsilon: 0.25 }
        return Object.fromEntries(
          operator.coefficients.map(({ name: key }) => [key, values[key as keyof typeof values]]),
        )
      })
      const based = operator.base !== 'none'
      return {
        operator,
        settings: settingsOf(operator, { parameters, coefficients, seed: given.seed }, based, 'a test'),
        shape: given.shape,
        base: based ? base : undefined,
        models,
        dtypes: given.dtypes,
        sizes: given.sizes,
        ...(given.work !== undefined && { work: given.work }),
      }
    })

const STREAMED = [
  'linear',
  'slerp',
  'task_arithmetic',
  'ties',
  'dare_linear',
  'dare_ties',
  'breadcrumbs',
  'breadcrumbs_ties',
  'della',
  'della_linear',
  'nuslerp',
  'multislerp',
  'karcher',
  'model_stock',
  'nearswap',
  'ram',
  'ramplus_tl',
  'consensus',
  'sce',
  'arcee_fusion',
]
/** Of these, those whose kernels have the operations of the definition, in float64. */
const EXACT = ['nearswap', 'ram', 'ramplus_tl', 'consensus', 'sce', 'arcee_fusion']

/** As `stream`; undefined, too, where it is refused as the definition refuses it. */
function streamOrRefuse(problem: Problem): Streamed | undefined {
  try {
    return stream(problem)
  } catch (error) {
    expect(() => define(problem)).toThrow((error as Error).message)
    return undefined
  }
}

describe('a tensor merged in tiles', () => {
  it.each(STREAMED)('%s: is what the definition says, to the rounding of float32', name => {
    let streamed = 0
    fc.assert(
      fc.property(problems(name), problem => {
        const result = streamOrRefuse(problem)
        if (result === undefined || !result.merged) return // left to the definition, which may refuse it
        streamed++
        expect(relativeDifference(result.values, define(problem))).toBeLessThan(1e-6)
      }),
      { numRuns: 300, seed: 11 },
    )
    expect(streamed).toBeGreaterThan(150)
  })

  it.each(EXACT)('%s: has the bits of the definition, rounded to float32', name => {
    let streamed = 0
    fc.assert(
      fc.property(problems(name), problem => {
        const result = streamOrRefuse(problem)
        if (result === undefined || !result.merged) return
        streamed++
        const expected = define(problem)
        expect(result.values.findIndex((value, i) => value !== Math.fround(expected[i]!))).toBe(-1)
      }),
      { numRuns: 500, seed: 14 },
    )
    expect(streamed).toBeGreaterThan(400)
  })

  it.each(EXACT)('%s: keeps every bit of the base where no model changed the tensor', name => {
    fc.assert(
      fc.property(problems(name), given => {
        const base = given.base!.map((value, i) => (i % 3 === 0 ? -0 : value))
        const { operator, settings, shape } = given
        const dtypes = given.dtypes.map(() => 'F32' as const)
        const models = given.models.map(() => base)
        const { merged, values } = stream({ operator, settings, shape, base, models, dtypes })!
        expect(merged).toBe(true)
        expect(values).toEqual(base)
      }),
      { numRuns: 50, seed: 15 },
    )
  })

  it.each(EXACT)('%s: is left to the definition where an input has a NaN or an infinity', name => {
    const damage = fc.record({ at: fc.nat(), input: fc.nat(), value: fc.constantFrom(Number.NaN, 1 / 0, -1 / 0) })
    fc.assert(
      fc.property(problems(name), damage, (problem, { at, input, value }) => {
        const all = [problem.base!, ...problem.models]
        const damaged = all[input % all.length]!
        damaged[at % damaged.length] = value
        expect(stream(problem)!.merged).toBe(false)
      }),
      { numRuns: 50, seed: 16 },
    )
  })

  it.each(STREAMED)('%s: is within one unit in the last place of a 16-bit type', name => {
    fc.assert(
      fc.property(problems(name), fc.constantFrom('BF16', 'F16'), (problem, written) => {
        const result = streamOrRefuse({ ...problem, written })
        if (result === undefined || !result.merged) return
        const bits = written === 'BF16' ? 7 : 10
        const least = written === 'BF16' ? -126 : -14
        const expected = define(problem)
        const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
        for (const [i, value] of result.values.entries()) {
          const exponent = Math.max(least, Math.floor(Math.log2(Math.abs(expected[i]!))))
          // A unit of the type, and what float32 leaves of numbers of the tensor's size where they cancel.
          expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(2 ** (exponent - bits) + 1e-6 * largest)
        }
      }),
      { numRuns: 60, seed: 12 },
    )
  })

  it.each(STREAMED)('%s: has the same bits whatever the tiles', name => {
    fc.assert(
      fc.property(problems(name), sizes, (problem, other) => {
        const [one, two] = [streamOrRefuse(problem), streamOrRefuse({ ...problem, sizes: other })]
        if (one === undefined || !one.merged || problem.operator.parameters.some(({ name: key }) => key === 'rescale'))
          return
        expect(two!.values).toEqual(one.values)
      }),
      { numRuns: 60, seed: 13 },
    )
  })

  it.each([100, 5000])('counts the first of equal magnitudes as the larger, as the definition does: %i elements', n => {
    const magnitudes = Float32Array.from({ length: n }, (_, i) => (i % 2 === 0 ? 0.5 : -0.5))
    const given = { shape: [n], base: new Float32Array(n), dtypes: ['BF16', 'BF16', 'BF16'] } as const
    const positions = (name: string, ...coefficients: Readonly<Record<string, number>>[]) => {
      const operator = findOperator(name)
      const parameters = name === 'sce' ? { select_topk: 0.3 } : {}
      const settings = settingsOf(operator, { parameters, coefficients, seed: 1 }, true, 'a test')
      const models = [magnitudes, new Float32Array(n)].slice(0, coefficients.length)
      const problem = { ...given, models, operator, settings, sizes: { chunk: 16, tile: 48 } }
      const kept = (values: Iterable<number>) => [...values].flatMap((value, i) => (value === 0 ? [] : [i]))
      const streamed = stream(problem)!
      expect(streamed.merged).toBe(true)
      expect(kept(streamed.values)).toEqual(kept(define(problem)))
      return kept(streamed.values)
    }
    const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

    expect(positions('ties', { weight: 1, density: 0.3 })).toEqual(range(0, 0.3 * n))
    expect(positions('sce', {}, {})).toEqual(range(0, 0.3 * n)) // all variances are equal
    // Outliers are the largest: the first tenth goes, and what is kept follows it.
    expect(positions('breadcrumbs', { weight: 1, density: 0.3, gamma: 0.1 })).toEqual(range(0.1 * n, 0.4 * n))
  })
})
