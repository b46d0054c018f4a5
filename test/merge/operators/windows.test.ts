import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyOperator, settingsOf } from '../../../src/merge/operators/apply.ts'
import { mergeInWindows } from '../../../src/merge/operators/merge-windows.ts'
import type { TensorInput, Window } from '../../../src/merge/operators/operator.ts'
import { RankSearch } from '../../../src/merge/operators/rank-search.ts'
import { findOperator, OPERATORS } from '../../../src/merge/operators/registry.ts'
import { windowsOf } from '../../../src/merge/operators/windows.ts'
import { failure, gen } from '../fixture.ts'

/** Task vectors: all different, on a coarse grid with ties, or mostly zero. */
const KINDS = ['smooth', 'coarse', 'sparse'] as const

interface Given {
  readonly shape: readonly number[]
  readonly window: number
  readonly seed: number
  readonly kinds: readonly (typeof KINDS)[number][]
  readonly parameters: Readonly<Record<string, number | boolean>>
}

function problem(name: string, { shape, seed, kinds, parameters }: Given): TensorInput {
  const operator = findOperator(name)
  const elements = shape.reduce((product, size) => product * size, 1)
  const base = gen(seed, elements)
  const [least, most] = operator.models
  const models = kinds.slice(0, Math.max(least, Math.min(most, kinds.length))).map((kind, m) => {
    const [delta, other] = [gen(seed + 7 * (m + 1), elements), gen(seed + 1000 + m, elements)]
    return base.map((value, i) => {
      if (kind === 'smooth') return value + delta[i]! / 8 + other[i]! / 4096
      return value + (kind === 'coarse' ? Math.round(delta[i]!) / 4 : other[i]! > 1 ? delta[i]! / 4 : 0)
    })
  })
  const known = operator.parameters.map(parameter => parameter.name)
  const coefficients = models.map((_, m) =>
    Object.fromEntries(operator.coefficients.map(({ name: key }) => [key, { weight: 0.4 + m, order: -m }[key] ?? 0.4])),
  )
  const own = Object.fromEntries(Object.entries({ t: 0.3, ...parameters }).filter(([key]) => known.includes(key)))
  const based = operator.base === 'required'
  return {
    ...settingsOf(operator, { parameters: own, coefficients, seed }, based, 'a test'),
    name: 'w',
    shape,
    base: based ? base : undefined,
    models,
    ids: models.map((_, m) => `model-${m}`),
    survey: {},
    depth: 0.5,
  }
}

function inWindows(name: string, input: TensorInput, window: number): { values: Float64Array; largest: number } {
  const { base, models, shape } = input
  const elements = models[0]!.length
  const values = new Float64Array(elements)
  let [done, largest] = [0, 0]
  mergeInWindows(
    findOperator(name),
    { ...input, elements, shape, based: base !== undefined },
    (begin, count) => {
      largest = Math.max(largest, count)
      return { base: base?.slice(begin, begin + count), models: models.map(x => x.slice(begin, begin + count)) }
    },
    part => {
      values.set(part, done)
      done += part.length
    },
    { window },
  )
  expect(done).toBe(elements)
  return { values, largest }
}

const given = (parameters: fc.Arbitrary<Given['parameters']>): fc.Arbitrary<Given> =>
  fc.record({
    shape: fc.oneof(
      fc.tuple(fc.integer({ min: 20, max: 40 }), fc.integer({ min: 1, max: 16 })),
      fc.tuple(fc.integer({ min: 4, max: 9 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 2, max: 7 })),
      fc.integer({ min: 100, max: 300 }).map(n => [n]),
    ),
    window: fc.integer({ min: 1, max: 100 }),
    seed: fc.integer({ min: 1, max: 1e6 }),
    kinds: fc.array(fc.constantFrom(...KINDS), { minLength: 2, maxLength: 4 }),
    parameters,
  })

const none = fc.constant({})
const SAME_BITS: readonly (readonly [string, fc.Arbitrary<Given['parameters']>])[] = [
  ['nearswap', none],
  ['ram', none],
  ['consensus', none],
  ['ramplus_tl', fc.record({ epsilon: fc.constantFrom(1e-5, 0.1), r: fc.constantFrom(0.1, 2) })],
  ['sce', fc.record({ select_topk: fc.double({ min: 0, max: 1, noNaN: true }), floor: fc.constantFrom(0, 1e-6) })],
  ['sce', fc.constant({ select_topk: 1 })],
  ['arcee_fusion', none],
  ['cabs', fc.record({ n: fc.integer({ min: 1, max: 4 }), m: fc.integer({ min: 4, max: 12 }) })],
  ['model_stock', fc.constant({ filter_wise: true })],
  ['nuslerp', fc.constant({ nuslerp_flatten: false })],
  // Without statistics both are averages.
  ['fisher', none],
  ['regmean', none],
]
const BY_GRAM: readonly (readonly [string, fc.Arbitrary<Given['parameters']>])[] = [
  ['slerp', none],
  ['nuslerp', none],
  ['nuslerp', fc.constant({ nuslerp_flatten: false, nuslerp_row_wise: true })],
  ['multislerp', none],
  ['karcher', none],
  ['model_stock', none],
]

describe('a definition in windows', () => {
  it.each(SAME_BITS)('%s: has the same bits, whatever the windows', (name, parameters) => {
    fc.assert(
      fc.property(given(parameters), problemGiven => {
        // Vectors along a dimension are windows of their own; a tensor that is one vector is merged by its products.
        fc.pre(findOperator(name).candidate?.kind !== 'gram' || problemGiven.shape.length > 1)
        const input = problem(name, problemGiven)
        const merge = () => inWindows(name, input, problemGiven.window).values
        let expected: Float64Array
        try {
          expected = applyOperator(findOperator(name), input)
        } catch (error) {
          expect(failure(merge).message).toBe(error instanceof Error ? error.message : '')
          return
        }
        expect(merge()).toEqual(expected)
      }),
      { numRuns: 60, seed: 21 },
    )
  })

  it.each(BY_GRAM)('%s: is the same to the rounding of float64', (name, parameters) => {
    fc.assert(
      fc.property(given(parameters), problemGiven => {
        const input = problem(name, problemGiven)
        const { values } = inWindows(name, input, problemGiven.window)
        const expected = applyOperator(findOperator(name), input)
        const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
        for (const [i, value] of values.entries())
          expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1e-10 * largest)
      }),
      { numRuns: 60, seed: 22 },
    )
  })

  it('is never given more than a window of what it needs no more of', () => {
    const windowed = [...SAME_BITS, ...BY_GRAM].map(([name]) => name)
    for (const name of windowed) {
      const parameters = { m: 8, n: 2, select_topk: 0.5 }
      const input = problem(name, { shape: [64, 8], window: 32, seed: 3, kinds: ['smooth', 'coarse'], parameters })
      expect(inWindows(name, input, 32).largest, name).toBe(32)
    }
  })

  it('is the base, bit for bit, where no model changed it', () => {
    for (const [name] of [...SAME_BITS, ...BY_GRAM]) {
      if (findOperator(name).base !== 'required') continue
      const input = problem(name, { shape: [30, 4], window: 8, seed: 5, kinds: ['smooth', 'smooth'], parameters: {} })
      const same = { ...input, models: input.models.map(() => input.base!.slice()) }
      expect(inWindows(name, same, 8).values, name).toEqual(input.base)
    }
  })

  it('exists for every operator but those that need whole matrices or ranks of whole task vectors', () => {
    const without = [...OPERATORS.values()].flatMap(operator => {
      const settings = { parameters: { nuslerp_flatten: true, select_topk: 1, m: 4 }, coefficients: {}, seed: 0 }
      const tensor = { ...settings, name: 'w', shape: [4, 4], ids: ['a', 'b'], survey: {}, depth: undefined }
      return windowsOf(operator, { ...tensor, elements: 16, based: operator.base !== 'none' }) ? [] : [operator.name]
    })
    expect(without.filter(name => findOperator(name).family === undefined)).toEqual([
      ...['pcb', 'widen', 'tsv_m', 'iso_c', 'iso_cts', 'star', 'wudi', 'dc_merge', 'opcm'],
    ])
    const measured = ['fisher', 'regmean'].filter(name => {
      const settings = {
        parameters: {},
        coefficients: {},
        seed: 0,
        name: 'w',
        ids: ['a'],
        survey: {},
        depth: undefined,
      }
      const tensor = { ...settings, shape: [4, 4], elements: 16, based: false, measured: true }
      return windowsOf(findOperator(name), tensor) === undefined
    })
    expect(measured).toEqual(['regmean'])
  })
})

describe('ranks that are searched for', () => {
  const value = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, 1, -1, 2, 2, 5e-324))

  it('are those of the sorted list, and know how many equal values are not below', () => {
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 60 }),
        fc.array(fc.nat(), { maxLength: 4 }),
        (list, at) => {
          const values = Float64Array.from(list)
          const ranks = at.map(rank => rank % list.length)
          const search = new RankSearch(list.length, () => ranks)
          const half = Math.ceil(list.length / 2)
          const windows = [values.slice(0, half), values.slice(half)].map(
            (x): Window => ({ begin: 0, base: undefined, models: [x] }),
          )
          for (const pass of search.passes(({ models }) => models[0]!.slice()))
            for (const window of windows) pass(window)
          const sorted = values.slice().sort()
          for (const [r, rank] of ranks.entries()) {
            expect(Object.is(search.value(r), sorted[rank])).toBe(true)
            const equal = sorted.filter((x, i) => i >= rank && Object.is(x, sorted[rank]))
            expect(search.equalFrom(r)).toBe(equal.length)
          }
        },
      ),
      { numRuns: 500, seed: 23 },
    )
  })
})
