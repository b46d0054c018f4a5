import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { Matrix, solve } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { buildOnnxModel } from '../../src/formats/onnx-build.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { type TensorData, writeSafetensors } from '../../src/formats/write-file.ts'
import { differenceFromCandidate } from '../../src/merge/compare.ts'
import { createMerger } from '../../src/merge/merge.ts'
import { mergeMergekit } from '../../src/merge/mergekit/merge-config.ts'
import type { SourceReference } from '../../src/merge/model.ts'
import type { MemoryNeed } from '../../src/merge/operators/memory-need.ts'
import { findOperator } from '../../src/merge/operators/registry.ts'
import { inspectSources, loadSharedSources, requireStatistics } from '../../src/merge/sources.ts'
import { mergeToFiles } from '../../src/merge/write-model.ts'
import type { ParameterMerge } from '../../src/space/recipe.ts'
import { failure, gen, linearRecipe, type Model, rejection, saveModels, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()

/** Models with the file of each one's statistics beside it. */
function save(folder: string, models: Readonly<Record<string, Model>>, statistics: Readonly<Record<string, Model>>) {
  return saveModels(folder, models).map((reference): SourceReference => {
    const own = statistics[reference.id]
    if (own === undefined) return reference
    const path = join(folder, `${reference.id}-statistics.safetensors`)
    writeSafetensors(path, Object.entries(own))
    return { ...reference, statistics: path }
  })
}

function recipeOf(method: string, sources: readonly string[], rest: Partial<ParameterMerge> = {}): ParameterMerge {
  const coefficients = Object.fromEntries(sources.map(id => [id, {}]))
  const groups = [{ layers: 'all' as const, coefficients }]
  return { kind: 'parameter-merge', method, base: undefined, sources, parameters: {}, groups, ...rest }
}

async function merged(recipe: ParameterMerge, sources: readonly SourceReference[], folder: string) {
  const out = join(folder, 'merged.safetensors')
  await mergeToFiles(recipe, sources, out)
  const written = openCheckpoint(out)
  const floats = new Map(
    [...written.tensors.keys()].map(name => [name, new Float32Array(written.read(name).buffer)] as const),
  )
  written.close()
  return floats
}

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(found.length).toBe(expected.length)
  let worst = 0
  for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(found[i]! - expected[i]!))
  expect(worst).toBeLessThanOrEqual(tolerance)
}

/** Linear layers y = W x, each the least-squares fit to examples of its own, with the Gram matrices of their inputs. */
function fits(inputs: number, outputs: number) {
  const tasks = [20, 30].map((rows, k) => {
    const X = Matrix.from1DArray(rows, inputs, gen(100 + k, rows * inputs))
    const Y = Matrix.from1DArray(rows, outputs, gen(200 + k, rows * outputs))
    return { X, Y, G: X.transpose().mmul(X), W: solve(X, Y).transpose() }
  })
  const stacked = (of: 'X' | 'Y') => new Matrix(tasks.flatMap(task => task[of].to2DArray()))
  return { tasks, joint: solve(stacked('X'), stacked('Y')).transpose() }
}

/** What RegMean recovers exactly: nothing off the diagonal is scaled, nothing added to it. */
const EXACT = { a: 1, ridge: 0 }

describe('RegMean from files', () => {
  const { tasks, joint } = fits(5, 3)
  const models = Object.fromEntries(
    tasks.map(({ W }, k) => [
      ['a', 'b'][k]!,
      {
        'layers.0.weight': tensor(W.to1DArray(), [3, 5]),
        'layers.0.weight_t': tensor(W.transpose().to1DArray(), [5, 3]),
        'layers.0.bias': tensor([k, 2 * k, 3]),
      },
    ]),
  )
  const grams = Object.fromEntries(
    tasks.map(({ G }, k) => [
      ['a', 'b'][k]!,
      {
        'layers.0.weight.gram': tensor(G.to1DArray(), [5, 5]),
        'layers.0.weight_t.gram_transposed': tensor(G.to1DArray(), [5, 5]),
      },
    ]),
  )

  it('is the layer that fits the examples of all models best; what has no Gram matrix is averaged', async () => {
    const folder = newFolder()
    const sources = save(folder, models, grams)
    const recipe = recipeOf('regmean', ['a', 'b'], { parameters: EXACT })
    const out = await merged(recipe, sources, folder)
    expectClose(out.get('layers.0.weight')!, joint.to1DArray(), 1e-5)
    expectClose(out.get('layers.0.weight_t')!, joint.transpose().to1DArray(), 1e-5)
    expect([...out.get('layers.0.bias')!]).toEqual([0.5, 1, 3])
    const average = tasks[0]!.W.clone().add(tasks[1]!.W).mul(0.5).to1DArray()
    expect(Math.max(...average.map((value, i) => Math.abs(value - joint.to1DArray()[i]!)))).toBeGreaterThan(0.05)
    // The candidate of a search is computed the same way.
    expect(differenceFromCandidate(recipe, sources, join(folder, 'merged.safetensors')).relative).toBe(0)
  })

  it('scales what is off the diagonal: at 0 every input is averaged by its energy', async () => {
    const folder = newFolder()
    const sources = save(folder, models, grams)
    const recipe = recipeOf('regmean', ['a', 'b'], { parameters: { a: 0, ridge: 0 } })
    const out = await merged(recipe, sources, folder)
    const [one, two] = tasks as [(typeof tasks)[0], (typeof tasks)[0]]
    const expected = one.W.to1DArray().map((w, i) => {
      const j = i % 5
      const [p, q] = [one.G.get(j, j), two.G.get(j, j)]
      return (p * w + q * two.W.to1DArray()[i]!) / (p + q)
    })
    expectClose(out.get('layers.0.weight')!, expected, 1e-6)
  })

  it('takes the statistics of a model under its own names, and the other way round than the graph it is matched to', async () => {
    const folder = newFolder()
    const path = join(folder, 'a.onnx')
    const [one, two] = tasks.map(({ G }, k) => ({
      G,
      // Of one ancestor, so that they are matched by their values.
      W: Matrix.from1DArray(3, 5, gen(40, 15)).add(Matrix.from1DArray(3, 5, gen(41 + k, 15)).mul(0.02)),
    })) as [{ G: Matrix; W: Matrix }, { G: Matrix; W: Matrix }]
    const best = solve(one.G.clone().add(two.G), one.G.mmul(one.W.transpose()).add(two.G.mmul(two.W.transpose())))
    writeFileSync(
      path,
      buildOnnxModel({
        inputs: [{ name: 'x', shape: ['batch', 5] }],
        outputs: [{ name: 'y', shape: ['batch', 3] }],
        nodes: [{ op: 'MatMul', inputs: ['x', 'MatMul_0_w'], outputs: ['y'], attributes: {} }],
        initializers: [{ name: 'MatMul_0_w', shape: [5, 3], data: Float32Array.from(one.W.transpose().to1DArray()) }],
      }),
    )
    const torch = { 'linear.weight': tensor(two.W.to1DArray(), [3, 5]) }
    const [b] = save(folder, { b: torch }, { b: { 'linear.weight.gram': tensor(two.G.to1DArray(), [5, 5]) } })
    const statistics = join(folder, 'a-statistics.safetensors')
    writeSafetensors(statistics, [['MatMul_0_w.gram_transposed', tensor(one.G.to1DArray(), [5, 5])]])
    const recipe = recipeOf('regmean', ['a', 'b'], { parameters: EXACT })
    const out = await merged(recipe, [{ id: 'a', path, statistics }, b!], folder)
    expectClose(out.get('MatMul_0_w')!, best.to1DArray(), 1e-6)

    const [F, H] = [gen(9, 15), gen(10, 15)].map(values => values.map(value => value ** 2)) as [
      Float64Array,
      Float64Array,
    ]
    writeSafetensors(statistics, [['MatMul_0_w', tensor(F, [5, 3])]])
    writeSafetensors(b!.statistics!, [['linear.weight', tensor(H, [3, 5])]])
    const weighted = await merged(recipeOf('fisher', ['a', 'b']), [{ id: 'a', path, statistics }, b!], folder)
    const expected = Array.from({ length: 15 }, (_, i) => {
      const [row, column] = [Math.floor(i / 3), i % 3]
      const [f, h] = [F[i]! + 1e-6, H[column * 5 + row]! + 1e-6]
      return (f * one.W.get(column, row) + h * two.W.get(column, row)) / (f + h)
    })
    expectClose(weighted.get('MatMul_0_w')!, expected, 1e-6)
  })

  it('tells beforehand what its matrices take', async () => {
    const folder = newFolder()
    const n = 600
    const model = { w: tensor(new Float32Array(n * n), [n, n]) }
    const gram = { 'w.gram': tensor(Matrix.eye(n).to1DArray(), [n, n]) }
    const sources = save(folder, { a: model, b: model }, { a: gram, b: gram })
    const needs: MemoryNeed[] = []
    await mergeToFiles(recipeOf('regmean', ['a', 'b']), sources, join(folder, 'out.safetensors'), {
      onMemoryNeed: need => needs.push(need),
    })
    // Two models and the result; two Gram matrices, their sum and its factor.
    expect(needs).toEqual([{ operator: 'regmean', tensor: 'w', bytes: n * n * 8 * (3 + 4) }])
  })
})

describe('Fisher-weighted averaging from files', () => {
  const shape = [300, 1000] // longer than a window of the definition
  const weights = { a: gen(1, 300_000), b: gen(2, 300_000) }
  const models = {
    a: { 'layers.0.w': tensor(weights.a, shape), norm: tensor([1, 2]) },
    b: { 'layers.0.w': tensor(weights.b, shape), norm: tensor([3, 6]) },
  }
  const squares = (seed: number, scale = 1) => gen(seed, 300_000).map(value => scale * value ** 2)

  it('with equal Fisher information is the average by weight', async () => {
    const folder = newFolder()
    const same = { 'layers.0.w': tensor(squares(3), shape), norm: tensor([0, 0]) }
    const sources = save(folder, models, { a: same, b: same })
    const recipe = recipeOf('fisher', ['a', 'b'], {
      groups: [{ layers: 'all', coefficients: { a: { weight: 3 }, b: { weight: 1 } } }],
    })
    const out = await merged(recipe, sources, folder)
    expectClose(
      out.get('layers.0.w')!,
      weights.a.map((value, i) => 0.75 * value + 0.25 * weights.b[i]!),
      1e-6,
    )
    expect([...out.get('norm')!]).toEqual([1.5, 3])
  })

  it('averages every element by it, in windows, and the same in a search', async () => {
    const folder = newFolder()
    const [F, H] = [squares(3), squares(4, 0.01)]
    const sources = save(folder, models, {
      a: { 'layers.0.w': tensor(F, shape, 'F16'), norm: tensor([1, 3]) },
      b: { 'layers.0.w': tensor(H, shape, 'BF16'), norm: tensor([3, 1]) },
    })
    const recipe = recipeOf('fisher', ['a', 'b'], { parameters: { delta: 1e-30 } })
    const out = await merged(recipe, sources, folder)
    const stored = sources.map(({ statistics }) => openCheckpoint(statistics!))
    const [f, h] = stored.map(checkpoint => new Uint16Array(checkpoint.read('layers.0.w').buffer))
    for (const checkpoint of stored) checkpoint.close()
    const half = (bits: number) =>
      bits >> 10 === 0 ? bits * 2 ** -24 : 2 ** ((bits >> 10) - 15) * (1 + (bits & 1023) / 1024)
    const brain = (bits: number) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!
    expectClose(
      out.get('layers.0.w')!,
      weights.a.map((value, i) => {
        const [p, q] = [half(f![i]!) + 1e-30, brain(h![i]!) + 1e-30]
        return (p * value + q * weights.b[i]!) / (p + q)
      }),
      1e-6,
    )
    expect([...out.get('norm')!]).toEqual([2.5, 3])
    const merger = createMerger(loadSharedSources(sources, { threads: 1 }), 0)
    for (const exact of [true, false]) {
      const { tensors } = merger.merge(recipe, { exact })
      for (const [name, values] of out) expect(tensors.get(name)!.data).toEqual(values)
    }
  })

  it('reads what a tensor needs, and leaves no file open', () => {
    const folder = newFolder()
    const same = { 'layers.0.w': tensor(squares(3), shape), norm: tensor([0, 0]) }
    const sources = save(folder, models, { a: same, b: same })
    const open = () => readdirSync('/proc/self/fd').length
    const before = open()
    const merger = createMerger(loadSharedSources(sources, { threads: 1 }), 0)
    const recipe = recipeOf('fisher', ['a', 'b'])
    merger.merge(recipe)
    expect(failure(() => merger.merge({ ...recipe, parameters: { delta: -1 } })).message).toContain('delta')
    inspectSources(sources)
    expect(open()).toBe(before)
  })

  it('refuses a file that is another by now', () => {
    const folder = newFolder()
    const same = (seed: number) => ({ 'layers.0.w': tensor(squares(seed), shape), norm: tensor([0, 0]) })
    const sources = save(folder, models, { a: same(3), b: same(3) })
    const merger = createMerger(loadSharedSources(sources, { threads: 1 }), 0)
    writeSafetensors(sources[0]!.statistics!, Object.entries(same(4)))
    expect(failure(() => merger.merge(recipeOf('fisher', ['a', 'b']))).message).toBe(
      `${sources[0]!.statistics} was changed since its header was read.`,
    )
    expect(() => merger.merge(linearRecipe({ a: 1, b: 1 }))).not.toThrow()
  })

  it('lies between the models in every element', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(...[1, 2, 3, 4].map(() => fc.float({ noNaN: true, min: 0, max: 1e6 }))), { minLength: 1 }),
        rows => {
          const column = (k: number) => Float64Array.from(rows, row => row[k]!)
          const out = findOperator('fisher').merge({
            ...{ parameters: { delta: 1e-6 }, coefficients: { weight: [1, 2] }, seed: 0, name: 'w', depth: undefined },
            ...{ shape: [rows.length], base: undefined, ids: ['a', 'b'], survey: undefined },
            models: [column(0), column(1)],
            statistics: [column(2), column(3)],
          })
          for (const [i, [a, b]] of rows.entries()) {
            expect(out[i]!).toBeGreaterThanOrEqual(Math.min(a!, b!) * (1 - 1e-12))
            expect(out[i]!).toBeLessThanOrEqual(Math.max(a!, b!) * (1 + 1e-12))
          }
        },
      ),
    )
  })
})

describe('a file of statistics', () => {
  const model = { 'layers.0.w': tensor(gen(1, 6), [2, 3]), norm: tensor([1, 2]) }
  const eye = tensor([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3])
  const grams: Model = { 'layers.0.w.gram': eye }
  const fishers: Model = { 'layers.0.w': tensor([1, 2, 3, 4, 5, 6], [2, 3]), norm: tensor([0, 0]) }
  const integers: TensorData = { dtype: 'I32', shape: [2], data: new Uint8Array(8) }
  const { norm: _, ...unfinished } = fishers

  it.each<[string, string, Model | undefined, RegExp]>([
    ['none', 'fisher', undefined, /^fisher needs Fisher information of every source, and source "b" names no file/],
    [
      'none for regmean',
      'regmean',
      undefined,
      /^regmean needs Gram matrices .* source "b" names no file with statistics/,
    ],
    [
      'a tensor without',
      'fisher',
      unfinished,
      /^fisher needs the Fisher information of tensor "norm" of source "b": "norm" of shape \[2\], F32, in .*b-statistics\.safetensors, which has none\.$/,
    ],
    [
      'statistics of another method',
      'regmean',
      fishers,
      /^regmean needs Gram matrices .* has none of a merged tensor of source "b"/,
    ],
    [
      'a Gram matrix of another tensor',
      'regmean',
      { 'norm.gram': eye },
      /have "norm\.gram", but "norm" has the shape \[2\]\.$/,
    ],
    [
      'a misspelt name',
      'fisher',
      { ...fishers, 'layer.0.w': eye },
      /have "layer\.0\.w", which belongs to no tensor of the model\.$/,
    ],
    [
      'the wrong shape',
      'fisher',
      { ...fishers, 'layers.0.w': tensor(gen(1, 6), [3, 2]) },
      /have "layers\.0\.w" of shape \[3, 2\], and it must be \[2, 3\], the shape of its weight\.$/,
    ],
    [
      'outputs for inputs',
      'regmean',
      { 'layers.0.w.gram': tensor([1, 0, 0, 1], [2, 2]) },
      /of shape \[2, 2\], and it must be \[3, 3\], the number of columns of "layers\.0\.w" twice\.$/,
    ],
    [
      'another direction',
      'regmean',
      { 'layers.0.w.gram_transposed': tensor([1, 0, 0, 1], [2, 2]) },
      /^regmean has "layers\.0\.w\.gram" of source "a" and "layers\.0\.w\.gram_transposed" of source "b"/,
    ],
    [
      'both directions',
      'regmean',
      { ...grams, 'layers.0.w.gram_transposed': tensor([1, 0, 0, 1], [2, 2]) },
      /have both "layers\.0\.w\.gram" and "layers\.0\.w\.gram_transposed"\.$/,
    ],
    ['integers', 'fisher', { ...fishers, norm: integers }, /have "norm" as I32\.$/],
    [
      'a negative value',
      'fisher',
      { ...fishers, norm: tensor([0, -0.5]) },
      /^"norm" in the statistics of source "b" .* must be 0 or more, and is -0\.5 at element 1\.$/,
    ],
    [
      'a NaN',
      'fisher',
      { ...fishers, norm: tensor([0, Number.NaN]) },
      /must be a finite number, and is NaN at element 1\.$/,
    ],
    [
      'an infinity',
      'regmean',
      { 'layers.0.w.gram': tensor([1, 0, 0, 0, 1, 0, 0, 0, Number.POSITIVE_INFINITY], [3, 3]) },
      /must be a finite number, and is Infinity at element 8\.$/,
    ],
    [
      'a negative diagonal',
      'regmean',
      { 'layers.0.w.gram': tensor([1, -1, 0, -1, -1, 0, 0, 0, 1], [3, 3]) },
      /must be 0 or more on the diagonal, and is -1 at element 4\.$/,
    ],
    [
      'no symmetry',
      'regmean',
      { 'layers.0.w.gram': tensor([1, 0.5, 0, 0, 1, 0, 0, 0, 1], [3, 3]) },
      /is not symmetric: 0 at \[1, 0\], 0\.5 at \[0, 1\]\.$/,
    ],
  ])('with %s is refused, before anything is written and in a search', async (_why, method, own, message) => {
    const folder = newFolder()
    const good = method === 'fisher' ? fishers : grams
    const sources = save(folder, { a: model, b: model }, { a: good, ...(own !== undefined && { b: own }) })
    const recipe = recipeOf(method, ['a', 'b'])
    const out = join(folder, 'out.safetensors')
    const found = await rejection(mergeToFiles(recipe, sources, out))
    expect(found.message).toMatch(message)
    expect(found.hint).toBeTypeOf(found.message.includes('one says that') ? 'undefined' : 'string')
    expect(readdirSync(folder).filter(name => name.includes('out'))).toEqual([])
    expect(failure(() => createMerger(loadSharedSources(sources, { threads: 1 }), 0).merge(recipe)).message).toBe(
      found.message,
    )
    const statistics = (id: string) => sources.find(source => source.id === id)!.statistics!
    const config = {
      merge_method: method,
      models: sources.map(({ id, path }) => ({ model: path, ...(statistics(id) && { statistics: statistics(id) }) })),
    }
    const paths = (text: string) => sources.reduce((all, { id, path }) => all.replaceAll(path, id), text)
    const mergekit = await rejection(mergeMergekit(config, join(folder, 'out'), { folder, text: '' }))
    expect(paths(mergekit.message)).toBe(paths(found.message))
  })

  it.each<[string, Uint8Array | string, RegExp]>([
    ['is cut off', new Uint8Array([200, 0, 0, 0, 0, 0, 0, 0, 123]), /statistics\.safetensors/],
    ['is empty', new Uint8Array(0), /statistics\.safetensors/],
    [
      'is not JSON',
      Buffer.concat([new Uint8Array([4, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('oops')]),
      /statistics\.safetensors/,
    ],
  ])('that %s is refused by its name', async (_why, bytes, message) => {
    const folder = newFolder()
    const sources = save(folder, { a: model, b: model }, { a: grams, b: grams })
    writeFileSync(sources[1]!.statistics!, bytes)
    const error = await rejection(mergeToFiles(recipeOf('regmean', ['a', 'b']), sources, join(folder, 'out')))
    expect(error.name).toBe('FormatError')
    expect(error.message).toMatch(message)
  })

  it('that is not there, or a graph, is refused', async () => {
    const folder = newFolder()
    const sources = save(folder, { a: model, b: model }, { a: grams })
    const merge = (statistics: string) =>
      rejection(
        mergeToFiles(recipeOf('regmean', ['a', 'b']), [sources[0]!, { ...sources[1]!, statistics }], join(folder, 'o')),
      )
    expect((await merge(join(folder, 'nothing.safetensors'))).message).toMatch(/nothing\.safetensors does not exist\.$/)
    expect((await merge(join(folder, 'g.onnx'))).message).toMatch(/^Statistics are read from \.safetensors, not from/)
  })

  it('is never overwritten by the merge', async () => {
    const folder = newFolder()
    const sources = save(folder, { a: model, b: model }, { a: grams, b: grams })
    const error = await rejection(mergeToFiles(recipeOf('regmean', ['a', 'b']), sources, sources[0]!.statistics!))
    expect(error.message).toMatch(/is a file of the source "a", and would be overwritten\.$/)
  })

  it('is not asked for by other methods', async () => {
    const folder = newFolder()
    const sources = save(folder, { a: model, b: model }, {}).map(source => ({
      ...source,
      statistics: join(folder, 'nothing.safetensors'),
    }))
    await expect(
      mergeToFiles(linearRecipe({ a: 1, b: 1 }), sources, join(folder, 'out.safetensors')),
    ).resolves.toBeDefined()
  })

  it('may have tensors that are left out, and may be a folder of shards', async () => {
    const folder = newFolder()
    const sources = save(
      folder,
      { a: { ...model, head: tensor([1]) }, b: { ...model, head: tensor([2]) } },
      { a: { ...fishers, head: tensor([1]) }, b: { ...fishers, head: tensor([1]) } },
    ).map(source => ({ ...source, without: ['head'] }))
    const [one, two] = ['model-1.safetensors', 'model-2.safetensors']
    const shards = join(folder, 'shards')
    mkdirSync(shards)
    writeSafetensors(join(shards, one!), [['layers.0.w', fishers['layers.0.w']!]])
    writeSafetensors(join(shards, two!), [['norm', tensor([0, 0])]])
    const index = { weight_map: { 'layers.0.w': one, norm: two } }
    writeFileSync(join(shards, 'model.safetensors.index.json'), JSON.stringify(index))
    sources[1] = { ...sources[1]!, statistics: shards }
    expect(inspectSources(sources).sources[1]!.files).toContain(join(shards, two!))
    const out = await merged(recipeOf('fisher', ['a', 'b']), sources, folder)
    expect([...out.keys()].sort()).toEqual(['layers.0.w', 'norm'])
    expectClose(out.get('layers.0.w')!, gen(1, 6), 1e-6)
  })

  it('of every method of a space is asked for before a search begins', () => {
    const folder = newFolder()
    const sources = save(folder, { a: model, b: model }, { a: { ...grams, ...fishers }, b: grams })
    const inspection = inspectSources(sources)
    expect(inspection.sources[1]!.files).toContain(sources[1]!.statistics)
    const check = (...names: string[]) => requireStatistics(inspection, names.map(findOperator), ['a', 'b'])
    expect(() => check('regmean')).not.toThrow()
    expect(failure(() => check('regmean', 'fisher')).message).toMatch(
      /Fisher information of tensor "layers\.0\.w" of source "b"/,
    )
  })
})
