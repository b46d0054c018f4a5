import { rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { type TensorData, writeSafetensors } from '../../src/formats/write-file.ts'
import { Prepared, preparedBytes } from '../../src/merge/fast/prepared.ts'
import { SCRATCH_BYTES } from '../../src/merge/layout.ts'
import { createMerger } from '../../src/merge/merge.ts'
import type { SourceReference } from '../../src/merge/model.ts'
import { OPERATORS } from '../../src/merge/operators/registry.ts'
import { type LoadOptions, loadSharedSources, type SharedSources } from '../../src/merge/sources.ts'
import type { ParameterMerge } from '../../src/space/recipe.ts'
import { bits, failure, gen, type Model, saveModels, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()
const IDS = ['a', 'b', 'c'] as const
const SHAPES = { 'layers.0.w': [60, 50], 'layers.1.w': [7, 50], norm: [21] } as const

function models(): Record<string, Model> {
  return Object.fromEntries(
    IDS.map((id, m) => [
      id,
      Object.fromEntries(
        Object.entries(SHAPES).map(([name, shape], t) => [name, tensor(gen(10 * m + t + 1, sizeOf(shape)), shape)]),
      ),
    ]),
  )
}

const sizeOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1)
const float64 = (values: Float64Array, shape: readonly number[]): TensorData => ({
  dtype: 'F64',
  shape,
  data: new Uint8Array(values.buffer),
})

/** The largest tensor begins in one and ends in another. */
const BANK = 2 * SCRATCH_BYTES + 20_000

/** Positive, over thirty decades. */
function information(seed: number, count: number): Float64Array {
  const [mantissa, exponent] = [gen(seed, count), gen(seed + 1, count)]
  return mantissa.map((value, i) => Math.abs(value) * 10 ** (8 * exponent[i]! - 15))
}

function gramOf(seed: number, n: number): Float64Array {
  const X = gen(seed, 2 * n * n)
  return Float64Array.from({ length: n * n }, (_, k) => {
    const [i, j] = [Math.floor(k / n), k % n]
    let sum = i === j ? 0.1 : 0
    for (let row = 0; row < 2 * n; row++) sum += X[row * n + i]! * X[row * n + j]!
    return sum
  })
}

type Values = (
  seed: number,
  name: string,
  shape: readonly number[],
  id: string,
) => readonly [string, TensorData] | undefined

const fishers: Values = (seed, name, shape) => [name, tensor(information(seed, sizeOf(shape)), shape)]
const grams: Values = (seed, name, shape) =>
  shape.length === 2 ? [`${name}.gram`, tensor(gramOf(seed, shape[1]!), [shape[1]!, shape[1]!])] : undefined

function save(values: Values): SourceReference[] {
  const folder = newFolder()
  return saveModels(folder, models()).map((reference, m) => {
    const statistics = join(folder, `${reference.id}-statistics.safetensors`)
    const own = Object.entries(SHAPES).flatMap(([name, shape], t) => {
      const entry = values(100 * m + 7 * t + 3, name, shape, reference.id)
      return entry === undefined ? [] : [entry]
    })
    writeSafetensors(statistics, own)
    return { ...reference, statistics }
  })
}

const load = (sources: readonly SourceReference[], options: LoadOptions = {}) =>
  loadSharedSources(sources, { threads: 2, ...options })

const forget = (sources: readonly SourceReference[]) => {
  for (const { statistics } of sources) rmSync(statistics!)
}

/** Leaves nothing of the arenas to others: pieces that make way one by one, for those that may ask them to. */
function fill({ prepared }: SharedSources): void {
  const other = new Prepared(prepared, 1, 2)
  const piece = 4096
  for (const [bank, { bytes }] of prepared.arenas.entries()) {
    for (let at = 0; at < bytes; at += piece) {
      other.borrow(
        bank,
        `other ${at}`,
        piece,
        () => {},
        () => 0,
      )
    }
  }
}

function fisher(weights: Readonly<Record<string, number>>, delta = 1e-10): ParameterMerge {
  const coefficients = Object.fromEntries(Object.entries(weights).map(([id, weight]) => [id, { weight }]))
  const groups = [{ layers: 'all' as const, coefficients }]
  const sources = Object.keys(weights)
  return { kind: 'parameter-merge', method: 'fisher', base: undefined, sources, parameters: { delta }, groups }
}

function regmean(parameters: ParameterMerge['parameters'], sources: readonly string[] = IDS): ParameterMerge {
  const groups = [{ layers: 'all' as const, coefficients: Object.fromEntries(sources.map(id => [id, {}])) }]
  return { kind: 'parameter-merge', method: 'regmean', base: undefined, sources, parameters, groups }
}

/** Bits of all tensors, by name. */
function merged(shared: SharedSources, recipe: ParameterMerge, exact = false) {
  const { tensors } = createMerger(shared, 0, 2).merge(recipe, { exact })
  return Object.fromEntries([...tensors].map(([name, { data }]) => [name, bits(data as Float32Array)]))
}

const RECIPES = [
  fisher({ a: 0.5, b: 0.25, c: 1 }),
  fisher({ c: 1e-9, a: 1 }, 1e-30),
  fisher({ b: 3 }),
  fisher({ a: 0, b: 1, c: 0.5 }, 1e-4),
]

describe('Fisher information in memory', () => {
  let sources: SourceReference[]
  let expected: ReturnType<typeof merged>[]
  beforeEach(() => {
    sources = save(fishers)
    expected = RECIPES.map(recipe => merged(load(sources), recipe, true))
  })

  it.each([undefined, BANK])(
    'is read once: candidates have the bits of the definition without the files; banks of %s',
    bankBytes => {
      const shared = load(sources, bankBytes === undefined ? {} : { bankBytes })
      expect(merged(shared, RECIPES[0]!)).toEqual(expected[0])
      forget(sources)
      for (const [k, recipe] of RECIPES.entries()) expect(merged(shared, recipe), `recipe ${k}`).toEqual(expected[k])
    },
  )

  it('is as large as the weights', () => {
    const shared = load(sources)
    merged(shared, RECIPES[2]!)
    const weights = Object.values(SHAPES).reduce((sum, shape) => sum + sizeOf(shape) * 4 * IDS.length, 0)
    expect(preparedBytes(shared.prepared) / weights).toBeGreaterThanOrEqual(1)
    expect(preparedBytes(shared.prepared) / weights).toBeLessThan(1.05)
  })

  it('stays in the files where the memory is taken, and gives the same bits', () => {
    const shared = load(sources, { bankBytes: BANK })
    fill(shared)
    const before = preparedBytes(shared.prepared)
    for (const [k, recipe] of RECIPES.entries()) expect(merged(shared, recipe), `recipe ${k}`).toEqual(expected[k])
    expect(preparedBytes(shared.prepared)).toBe(before)
    forget(sources)
    expect(failure(() => merged(shared, RECIPES[0]!)).message).toContain('a-statistics.safetensors')
  })

  it('is not kept of a file that is another by now', () => {
    const shared = load(sources)
    writeSafetensors(sources[1]!.statistics!, [['norm', tensor(gen(1, 21).map(Math.abs))]])
    expect(failure(() => merged(shared, RECIPES[0]!)).message).toContain('was changed since its header was read')
    expect(preparedBytes(shared.prepared)).toBe(0)
  })

  it('refuses weights of 0 as the definition does', () => {
    const shared = load(sources)
    const nothing = fisher({ a: 0, b: 0 })
    const { message } = failure(() => merged(shared, nothing, true))
    expect(message).toContain('by fisher gives a NaN')
    expect(failure(() => merged(shared, nothing)).message).toBe(message)
  })

  it('beyond float32 is merged by the definition, kept or not', () => {
    const huge: Values = (seed, name, shape, id) => [
      name,
      float64(
        information(seed, sizeOf(shape)).map((value, i) => (id === 'b' && i % 5 === 2 ? 1e60 * (i + 1) : value)),
        shape,
      ),
    ]
    const own = save(huge)
    const [one, two] = [load(own), load(own)]
    fill(two)
    for (const recipe of RECIPES) {
      const wanted = merged(one, recipe, true)
      const [kept, streamed] = [merged(one, recipe), merged(two, recipe)]
      expect(kept).toEqual(streamed)
      for (const [name, values] of Object.entries(wanted)) expectNear(kept[name]!, values)
      if (recipe.sources.includes('b')) expect(kept).toEqual(wanted)
    }
  })

  it('of 16 bits gives the bits of the definition, whatever the weights are', () => {
    const own = save((seed, name, shape, id) => [
      name,
      tensor(
        information(seed, sizeOf(shape)).map(value => Math.min(value * 1e10, 60_000)),
        shape,
        id === 'a' ? 'BF16' : 'F16',
      ),
    ])
    const shared = load(own)
    const number = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(number, number, fc.constantFrom(1e-30, 1e-10, 1e-4), (a, b, delta) => {
        const recipe = fisher({ a, b, c: 0.5 }, delta)
        expect(merged(shared, recipe)).toEqual(merged(shared, recipe, true))
      }),
      { numRuns: 30 },
    )
  })
})

describe('what RegMean solves', () => {
  it.each(['F32', 'F64'] as const)(
    'is kept, and its Gram matrices of %s too: the bits of the definition without the files',
    dtype => {
      const values: Values = (seed, name, shape) => {
        const n = shape.at(-1)!
        if (shape.length !== 2) return undefined
        const G = gramOf(seed, n)
        return [`${name}.gram`, dtype === 'F64' ? float64(G, [n, n]) : tensor(G, [n, n])]
      }
      const sources = save(values)
      const recipes = [
        { a: 0.9, ridge: 1e-6 },
        { a: 0.3, ridge: 1e-6 },
        { a: 0.3, ridge: 1e-2 },
      ].map(p => regmean(p))
      const expected = recipes.map(recipe => merged(load(sources), recipe, true))
      expect(expected[1]).not.toEqual(expected[0])
      expect(expected[2]).not.toEqual(expected[1])
      const shared = load(sources)
      expectSolved(merged(shared, recipes[0]!), expected[0]!)
      forget(sources)
      const kept = preparedBytes(shared.prepared)
      expectSolved(merged(shared, recipes[0]!), expected[0]!)
      expect(preparedBytes(shared.prepared)).toBe(kept)
      for (const [k, recipe] of recipes.entries()) expectSolved(merged(shared, recipe), expected[k]!)
      expect(preparedBytes(shared.prepared)).toBeGreaterThan(kept)
    },
  )

  it('takes the place of what others left, and is the same where its Gram matrices find none', () => {
    const sources = save(grams)
    const shared = load(sources)
    fill(shared)
    for (const a of [0.9, 0.5, 0.9]) {
      const recipe = regmean({ a, ridge: 1e-6 })
      expectSolved(merged(shared, recipe), merged(load(sources), recipe, true))
    }
    forget(sources)
    expect(() => merged(shared, regmean({ a: 0.5, ridge: 1e-6 }))).not.toThrow()
    expect(failure(() => merged(shared, regmean({ a: 0.4, ridge: 1e-6 }))).message).toContain(
      'a-statistics.safetensors',
    )
  })

  it('averages what has no Gram matrix in one pass, and prepares nothing of it', () => {
    const sources = save((seed, name, shape, id) => (name === 'layers.1.w' ? grams(seed, name, shape, id) : undefined))
    const shared = load(sources)
    const recipe = regmean({ a: 0.9, ridge: 1e-6 })
    const [found, expected] = [merged(shared, recipe), merged(load(sources), recipe, true)]
    for (const [name, values] of Object.entries(expected)) expectNear(found[name]!, values)
    const numbers = 7 * 50 + 3 * 50 * 50
    expect(preparedBytes(shared.prepared)).toBeLessThan(numbers * 4 + 4 * 64)
  })
})

it('every method with statistics has a plan for candidates, and one for tensors without', () => {
  const measured = [...OPERATORS.values()].filter(({ needs }) => needs !== undefined)
  expect(measured.map(({ name }) => name)).toEqual(['fisher', 'regmean'])
  for (const { candidate, unmeasured } of measured) {
    expect(candidate).toBeDefined()
    expect(unmeasured).toBeDefined()
  }
})

/** The very bits of what has a Gram matrix; the rest is averaged in float32. */
function expectSolved(found: ReturnType<typeof merged>, { norm, ...expected }: ReturnType<typeof merged>): void {
  const { norm: averaged, ...solved } = found
  expect(solved).toEqual(expected)
  expectNear(averaged!, norm!)
}

/** Within 1e-6 of the largest magnitude. */
function expectNear(found: Uint32Array, expected: Uint32Array): void {
  const [own, wanted] = [new Float32Array(found.buffer), new Float32Array(expected.buffer)]
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const worst = wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - own[i]!)), 0)
  expect(worst).toBeLessThanOrEqual(1e-6 * largest)
}
