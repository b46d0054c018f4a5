import { createHash } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MergeError } from '../../src/errors.ts'
import { taskArithmeticTwin } from '../../src/merge/kernel/twin.ts'
import { SCRATCH_BYTES, TILE_BYTES } from '../../src/merge/layout.ts'
import { createMerger } from '../../src/merge/merge.ts'
import { mergeReference } from '../../src/merge/reference.ts'
import { loadSharedSources, type SharedSources } from '../../src/merge/sources.ts'
import type { ParameterMerge } from '../../src/space/recipe.ts'
import {
  bits,
  copyOf,
  failure,
  gen,
  group,
  linearRecipe,
  type Model,
  saveModels,
  taskArithmeticRecipe,
  temporaryFolders,
  tensor,
} from './fixture.ts'

const newFolder = temporaryFolders()
const load = (models: Readonly<Record<string, Model>>, bankBytes?: number): SharedSources =>
  loadSharedSources(saveModels(newFolder(), models), bankBytes === undefined ? {} : { threads: 1, bankBytes })

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  embed_tokens: [7, 5],
  'layers.0.w': [4, 4],
  'layers.0.b': [3],
  'layers.1.w': [33],
  'layers.1.b': [1],
  empty: [0, 4],
  'norm.weight': [17],
}
const numbersOf = (seed: number) =>
  Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape], t) => [
      name,
      gen(
        seed * 100 + t,
        shape.reduce((n, size) => n * size, 1),
      ),
    ]),
  )
const modelOf = (seed: number): Model =>
  Object.fromEntries(Object.entries(numbersOf(seed)).map(([name, values]) => [name, tensor(values, SHAPES[name])]))
const IDS = ['base', 'a', 'b', 'c']
const MODELS = Object.fromEntries(IDS.map((id, i) => [id, modelOf(i + 1)]))
const NUMBERS = new Map(IDS.map((id, i) => [id, new Map(Object.entries(numbersOf(i + 1)))]))

const weight = fc.oneof(fc.constant(0), fc.double({ min: -2, max: 2, noNaN: true }))
const weights = fc.record({ a: weight, b: weight, c: weight })
const recipes: fc.Arbitrary<ParameterMerge> = fc
  .record({
    method: fc.constantFrom('linear', 'task_arithmetic'),
    parameters: fc.record({ normalize: fc.boolean() }),
    pre: weights,
    early: weights,
    rest: weights,
  })
  .map(({ method, parameters, pre, early, rest }) => ({
    kind: 'parameter-merge',
    method,
    base: 'base',
    sources: ['a', 'b', 'c'],
    parameters,
    groups: [group(pre, { layers: 'pre' }), group(early, { layers: [0, 1], filter: 'w' }), group(rest)],
  }))

describe('a merged model', () => {
  it('is the float64 reference up to float32 rounding, whatever was merged before', () => {
    const merger = createMerger(load(MODELS), 0)
    fc.assert(
      fc.property(recipes, recipe => {
        // A sum near zero magnifies every rounding; far from it the bound below holds.
        for (const { coefficients } of recipe.groups) {
          const sum = Object.values(coefficients).reduce((total, c) => total + c.weight!, 0)
          fc.pre(recipe.parameters.normalize === false || Math.abs(sum) > 0.05)
        }
        const expected = mergeReference(recipe, NUMBERS)
        const merged = merger.merge(recipe)
        expect([...merged.tensors.keys()].sort()).toEqual(Object.keys(SHAPES).sort())
        for (const [name, { data, shape, dtype }] of merged.tensors) {
          expect(dtype).toBe('float32')
          expect(shape).toEqual(SHAPES[name])
          const reference = expected.get(name)!
          expect(data).toHaveLength(reference.length)
          // Coefficients up to 2 / .05, values up to 4, three terms, a handful of roundings of 2^-24.
          for (const [i, value] of data.entries()) expect(Math.abs(value - reference[i]!)).toBeLessThan(1e-3)
        }
      }),
      { numRuns: 200, seed: 3 },
    )
  })

  it('does not depend on how the tensors are cut into banks', () => {
    const whole = createMerger(load(MODELS), 0)
    const shared = load(MODELS, SCRATCH_BYTES + 4 * 64 * 2)
    expect(shared.banks.length).toBeGreaterThan(3)
    const cut = createMerger(shared, 0)
    fc.assert(
      fc.property(
        recipes.filter(recipe => recipe.parameters.normalize === false),
        recipe => {
          const [a, b] = [whole.merge(recipe), cut.merge(recipe)]
          for (const [name, { data }] of a.tensors) expect(bits(b.tensors.get(name)!.data)).toEqual(bits(data))
        },
      ),
      { numRuns: 100, seed: 4 },
    )
  })

  it('is right across tiles, with a last one that is not full', () => {
    const length = 2 * (TILE_BYTES / 4) + 5
    const values = (k: number) => Float32Array.from({ length }, (_, i) => Math.sin(k * 1e4 + i))
    const [base, a, b] = [values(0), values(1), values(2)]
    const merger = createMerger(load({ base: { w: tensor(base) }, a: { w: tensor(a) }, b: { w: tensor(b) } }), 0)
    const { data } = merger.merge(taskArithmeticRecipe('base', { a: 0.3, b: 0.6 })).tensors.get('w')!
    const twin = new Float32Array(length)
    taskArithmeticTwin(twin, base, [a, b], Float32Array.of(0.3, 0.6))
    expect(Buffer.compare(Buffer.from(data.buffer), Buffer.from(twin.buffer))).toBe(0)
  })

  it('is one of the sources, bit for bit, when only that one counts', () => {
    const merger = createMerger(load(MODELS), 0)
    for (const [name, { data }] of merger.merge(linearRecipe({ a: 0, b: 2, c: 0 })).tensors) {
      expect(bits(data)).toEqual(bits(Float32Array.from(NUMBERS.get('b')!.get(name)!)))
    }
    for (const [name, { data }] of merger.merge(taskArithmeticRecipe('base', { a: 5 }, { lambda: 0 })).tensors) {
      expect(bits(data)).toEqual(bits(Float32Array.from(NUMBERS.get('base')!.get(name)!)))
    }
  })

  it('is the base, bit for bit, in tensors that no source changed', () => {
    const w = tensor([-0, 1e-45, 3.25, 1 / 3])
    const merger = createMerger(
      load({ base: { w, v: tensor([1]) }, a: { w, v: tensor([2]) }, b: { w, v: tensor([1]) } }),
      0,
    )
    const { tensors } = merger.merge(taskArithmeticRecipe('base', { a: 0.7, b: -1.3 }))
    expect(bits(tensors.get('w')!.data)).toEqual(new Uint32Array(w.data.buffer))
    expect([...tensors.get('v')!.data]).toEqual([Math.fround(1 + Math.fround(0.7))])
  })

  it('lies in ordinary memory, which stays the same from merge to merge', () => {
    const merger = createMerger(load(MODELS), 0)
    const first = merger.merge(linearRecipe({ a: 1, b: 1, c: 1 }))
    const buffers = [...first.tensors.values()].map(({ data }) => data.buffer)
    for (const buffer of buffers) expect(buffer).toBeInstanceOf(ArrayBuffer)
    const second = merger.merge(linearRecipe({ a: 1, b: 2, c: 1 }))
    expect([...second.tensors.values()].map(({ data }) => data.buffer)).toEqual(buffers)
    expect(second.tensors.get('norm.weight')!.data.buffer).toBe(first.tensors.get('norm.weight')!.data.buffer)
  })
})

describe('a merger', () => {
  it('computes again only what a recipe changes', () => {
    const merger = createMerger(load(MODELS), 0)
    const recipe = (early: number): ParameterMerge => ({
      ...linearRecipe({ a: 1, b: 1, c: 1 }),
      groups: [group({ a: early, b: 1, c: 1 }, { layers: [0, 1] }), group({ a: 1, b: 1, c: 1 })],
    })
    const { tensors } = merger.merge(recipe(1))
    const [changed, kept] = [tensors.get('layers.0.w')!.data, tensors.get('layers.1.w')!.data]
    const before = changed.slice()
    kept[0] = 123 // marks the buffer: whoever computes the tensor again removes it
    merger.merge(recipe(2))
    expect(changed).not.toEqual(before)
    expect(kept[0]).toBe(123)
    merger.merge(recipe(1))
    expect(changed).toEqual(before)
  })

  it('refuses a result that is not finite, with the tensor, and goes on', () => {
    const merger = createMerger(load({ a: { v: tensor([1]), w: tensor([1, 3e38]) } }), 0)
    const good = linearRecipe({ a: 0.5 }, { normalize: false })
    const before = copyOf(merger.merge(good))
    const error = failure(() => merger.merge(linearRecipe({ a: 2 }, { normalize: false })))
    expect(error).toBeInstanceOf(MergeError)
    expect(error.message).toBe('The merge has a NaN or an infinity in tensor "w".')
    expect(error.hint).toBe('The coefficients are too large for float32; bound them.')
    expect(copyOf(merger.merge(good))).toEqual(before)
  })

  it('refuses a tensor that no group governs before it computes anything', () => {
    const merger = createMerger(load(MODELS), 0)
    const all = linearRecipe({ a: 1, b: 0, c: 0 })
    const before = copyOf(merger.merge(all))
    const holed = { ...all, groups: [group({ a: 0, b: 1, c: 0 }, { layers: 'pre' })] } satisfies ParameterMerge
    expect(failure(() => merger.merge(holed))).toBeInstanceOf(MergeError)
    expect(copyOf(merger.merge(all))).toEqual(before)
  })

  it('has a thread index of its own', () => {
    const shared = loadSharedSources(saveModels(newFolder(), { a: { w: tensor([1]) } }), { threads: 2 })
    expect(() => createMerger(shared, 2, 2)).toThrow('Thread index 2 is not one of 0..1.')
    expect(() => createMerger(shared, -1, 2)).toThrow(RangeError)
    expect(failure(() => createMerger(shared, 0, 3)).message).toBe(
      'The sources were loaded for at most 2 threads, and 3 want to merge.',
    )
  })

  it('works beside another one on the same memory, in worker threads', async () => {
    const length = 3 * (TILE_BYTES / 4)
    const values = (k: number) => tensor(Float32Array.from({ length }, (_, i) => ((i * (k + 3)) % 1001) / 512))
    const shared = load({ base: { w: values(0) }, a: { w: values(1) }, b: { w: values(2) } })
    const weights = [0.25, 0.5, 1.5]
    const start = (thread: number): Promise<unknown> => {
      const recipes = weights.map(w => taskArithmeticRecipe('base', { a: w + thread, b: -w }))
      const worker = new Worker(new URL('./merge-worker.mjs', import.meta.url), {
        execArgv: ['--import', new URL('../helpers/typescript-loader.mjs', import.meta.url).href],
        workerData: {
          module: new URL('../../src/merge/merge.ts', import.meta.url).href,
          shared,
          thread,
          recipes,
          rounds: 40,
        },
      })
      return new Promise((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
    }
    const digests = await Promise.all([start(0), start(1)])
    const alone = createMerger(shared, 7)
    const expected = [0, 1].map(thread =>
      weights.map((w, i) => {
        const merged = alone.merge(taskArithmeticRecipe('base', { a: w + thread, b: -w }))
        return `${i} ${createHash('sha256').update(merged.tensors.get('w')!.data).digest('hex')}`
      }),
    )
    expect(digests).toEqual(expected)
  })
})
