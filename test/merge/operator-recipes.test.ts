import { join } from 'node:path'
import { Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { encodeFloat32, type WeightDtype } from '../../src/formats/dtype.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { type TensorData, writeSafetensors } from '../../src/formats/write-file.ts'
import { differenceFromCandidate } from '../../src/merge/compare.ts'
import { createMerger } from '../../src/merge/merge.ts'
import { OPERATORS } from '../../src/merge/operators/registry.ts'
import { loadSharedSources } from '../../src/merge/sources.ts'
import { mergeToFiles } from '../../src/merge/write-model.ts'
import type { ParameterMerge } from '../../src/space/recipe.ts'
import { failure, gen, saveModels, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()
/** Whatever the methods ask for of the tensors below. */
const STATISTICS = ['a', 'b', 'c'].map((_, m) => {
  const shapes: readonly (readonly number[])[] = [[4, 6], [4, 6], [4120]]
  return shapes.flatMap((shape, l) => {
    const count = shape.reduce((product, size) => product * size, 1)
    const fisher = gen(70 + 10 * m + l, count).map(value => value ** 2)
    const rows = Matrix.from1DArray(10, 6, gen(90 + 10 * m + l, 60))
    const gram = tensor(rows.transpose().mmul(rows).to1DArray(), [6, 6])
    const own: [string, TensorData] = [`layers.${l}.w`, tensor(fisher, shape)]
    return shape.length === 2 ? [own, [`layers.${l}.w.gram`, gram] as [string, TensorData]] : [own]
  })
})
const models = (dtype: WeightDtype = 'F32') => {
  const model = (seed: number) =>
    Object.fromEntries(
      // The last is longer than what is merged at a time.
      [[4, 6], [4, 6], [4120]].map((shape, l) => [
        `layers.${l}.w`,
        tensor(
          gen(
            seed + 10 * l,
            shape.reduce((a, b) => a * b),
          ),
          shape,
          dtype,
        ),
      ]),
    )
  const folder = newFolder()
  const [base, ...tuned] = saveModels(folder, { base: model(1), a: model(2), b: model(3), c: model(4) })
  const measured = tuned.map((reference, m) => {
    const statistics = join(folder, `${reference.id}-statistics.safetensors`)
    writeSafetensors(statistics, STATISTICS[m]!)
    return { ...reference, statistics }
  })
  return { folder, sources: [base!, ...measured] }
}

/** A recipe of any operator, with as many models as it takes. */
function recipeOf(name: string): ParameterMerge {
  const operator = OPERATORS.get(name)!
  const sources = ['a', 'b', 'c'].slice(0, operator.models[1])
  const values: Readonly<Record<string, number>> = { weight: 0.6, density: 0.5 }
  const coefficients = Object.fromEntries(
    sources.map(id => [
      id,
      Object.fromEntries(
        operator.coefficients.flatMap(({ name: key }) => (key in values ? [[key, values[key]!]] : [])),
      ),
    ]),
  )
  const known = operator.parameters.map(({ name: key }) => key)
  const parameters = Object.fromEntries(Object.entries({ t: 0.3, n: 2, m: 4 }).filter(([key]) => known.includes(key)))
  return {
    kind: 'parameter-merge',
    method: name,
    base: operator.base === 'required' ? 'base' : undefined,
    sources,
    parameters,
    groups: [
      { layers: [0, 2], coefficients },
      { layers: 'all', coefficients },
    ],
  }
}

/** Bits, not numbers: 0 and -0 differ. */
function bytesOf({ buffer, byteOffset, byteLength }: Uint8Array | Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

const names = [...OPERATORS.keys()]

describe('a recipe of any operator', () => {
  it.each(names)('%s: what is written is the candidate of the exact path, bit for bit', async name => {
    const { folder, sources } = models()
    const recipe = recipeOf(name)
    const merger = createMerger(loadSharedSources(sources, { threads: 1 }), 0)
    const out = join(folder, 'merged.safetensors')
    await mergeToFiles(recipe, sources, out)
    const written = openCheckpoint(out)
    const { tensors } = merger.merge(recipe, { exact: true })
    expect(tensors.size).toBe(3)
    for (const [tensorName, { data }] of tensors) {
      expect(bytesOf(data), tensorName).toEqual(bytesOf(written.read(tensorName)))
      expect(data.every(Number.isFinite)).toBe(true)
    }
    written.close()
    // As a search scores it: one float32 pass, equal up to rounding.
    expect(differenceFromCandidate(recipe, sources, out).relative).toBeLessThanOrEqual(1e-6)
  })

  it.each(names)('%s: what is written as bfloat16 is the candidate of the exact path, rounded once', async name => {
    const { folder, sources } = models('BF16')
    const recipe = recipeOf(name)
    // Banks of a few blocks: tensors go on from one to the next.
    const merger = createMerger(loadSharedSources(sources, { threads: 1, bankBytes: 1 }), 0)
    const out = join(folder, 'merged.safetensors')
    await mergeToFiles(recipe, sources, out)
    const written = openCheckpoint(out)
    for (const [tensorName, { data }] of merger.merge(recipe, { exact: true }).tensors) {
      const rounded = new Uint8Array(data.length * 2)
      encodeFloat32(data, 'BF16', rounded)
      expect(rounded, tensorName).toEqual(bytesOf(written.read(tensorName)))
    }
    written.close()
  })

  it('is told apart from the candidate by the largest difference, and where it is', async () => {
    const { folder, sources } = models()
    const recipe = recipeOf('ties')
    const out = join(folder, 'merged.safetensors')
    await mergeToFiles(
      { ...recipe, groups: [{ ...recipe.groups[0]!, parameters: { lambda: 0.5 } }, recipe.groups[1]!] },
      sources,
      out,
    )
    const { relative, tensor } = differenceFromCandidate(recipe, sources, out)
    expect(relative).toBeGreaterThan(1e-3)
    expect(tensor).toMatch(/^layers\.[01]\.w$/)
  })

  it('computes again only what the next recipe changes', () => {
    const { sources } = models()
    const merger = createMerger(loadSharedSources(sources, { threads: 1 }), 0)
    const recipe = recipeOf('ties')
    const view = merger.merge(recipe).tensors.get('layers.0.w')!.data
    const before = view.slice()
    view[0] = 7 // not allowed to users: shows that the tensor is left alone
    expect(merger.merge(recipe).tensors.get('layers.0.w')!.data[0]).toBe(7)
    const [first, rest] = recipe.groups
    const changed = { ...recipe, groups: [{ ...first!, parameters: { lambda: 0.5 } }, rest!] }
    const after = merger.merge(changed).tensors.get('layers.0.w')!.data
    expect(after).not.toEqual(before)
    expect(merger.merge(recipe).tensors.get('layers.0.w')!.data).toEqual(before)
  })

  it('draws random masks from its seed', () => {
    const { sources } = models()
    const merger = createMerger(loadSharedSources(sources, { threads: 1 }), 0)
    const recipe = recipeOf('dare_ties')
    const at = (seed: number) =>
      merger
        .merge({ ...recipe, parameters: { ...recipe.parameters, seed } })
        .tensors.get('layers.2.w')!
        .data.slice()
    const one = at(1)
    expect(at(2)).not.toEqual(one)
    expect(at(1)).toEqual(one)
  })

  it.each([
    [{ method: 'tise' }, 'There is no merge method "tise"'],
    [{ parameters: { lambda: 1, mu: 2 } }, 'group 1: ties has no parameter "mu"'],
    [{ parameters: { seed: 0.5 } }, 'The parameter seed must be a whole number, got 0.5.'],
    [{ base: undefined }, 'ties needs a base'],
    [{ method: 'nearswap', parameters: { t: 1 } }, 'nearswap merges exactly 1 model besides the base, got 3.'],
  ])('%j is refused', (change, message) => {
    const { sources } = models()
    const merger = createMerger(loadSharedSources(sources, { threads: 1 }), 0)
    const recipe: ParameterMerge = { ...recipeOf('ties'), ...change }
    expect(failure(() => merger.merge(recipe)).message).toContain(message)
  })
})

describe('a recipe whose groups have methods of their own', () => {
  const groupsOf = (own: Partial<ParameterMerge['groups'][number]>): ParameterMerge => {
    const ties = recipeOf('ties')
    return {
      ...ties,
      parameters: { lambda: 0.7, normalize: true, seed: 3 },
      groups: [ties.groups[0]!, { ...ties.groups[1]!, ...own }],
    }
  }
  const plain = { a: { weight: 1 }, b: { weight: 2 }, c: { weight: 3 } }
  const mergedBy = (recipe: ParameterMerge) => {
    const { tensors } = createMerger(loadSharedSources(models().sources, { threads: 1 }), 0).merge(recipe)
    return new Map([...tensors].map(([name, { data }]) => [name, [...data]]))
  }

  it('merges each group as a recipe of its method would, without the parameters of the other', () => {
    const linear = { ...recipeOf('linear'), groups: [{ layers: 'all' as const, coefficients: plain }] }
    const mixed = mergedBy(groupsOf({ method: 'linear', coefficients: plain }))
    const average = mergedBy(linear)
    const trimmed = mergedBy({ ...groupsOf({}), parameters: { lambda: 0.7 } })
    expect(mixed.get('layers.2.w')).toEqual(average.get('layers.2.w'))
    expect(mixed.get('layers.0.w')).toEqual(trimmed.get('layers.0.w'))
    expect(mixed.get('layers.0.w')).not.toEqual(average.get('layers.0.w'))
  })

  it('gives random masks the seed of the recipe', () => {
    const dare = { method: 'dare_linear', parameters: { lambda: 0.5 } }
    const recipe = groupsOf(dare)
    const alone = { ...recipeOf('dare_linear'), parameters: { lambda: 0.5, seed: 3 } }
    expect(mergedBy(recipe).get('layers.2.w')).toEqual(mergedBy(alone).get('layers.2.w'))
    const other = { ...recipe, parameters: { ...recipe.parameters, seed: 4 } }
    expect(mergedBy(other).get('layers.2.w')).not.toEqual(mergedBy(alone).get('layers.2.w'))
  })

  it('lets methods without a base ignore the one that others need', () => {
    const none = { a: {}, b: {}, c: {} }
    const karcher = { ...recipeOf('karcher'), groups: [{ layers: 'all' as const, coefficients: none }] }
    const mixed = mergedBy(groupsOf({ method: 'karcher', coefficients: none }))
    expect(mixed.get('layers.2.w')).toEqual(mergedBy(karcher).get('layers.2.w'))
  })
})
