import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { differenceFromCandidate } from '../../src/merge/compare.ts'
import { createMerger } from '../../src/merge/merge.ts'
import { OPERATORS } from '../../src/merge/operators/registry.ts'
import { loadSharedSources } from '../../src/merge/sources.ts'
import { mergeToFiles } from '../../src/merge/write-model.ts'
import type { ParameterMerge } from '../../src/space/recipe.ts'
import { failure, gen, saveModels, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()
const models = () => {
  const model = (seed: number) =>
    Object.fromEntries(
      ['layers.0.w', 'layers.1.w', 'layers.2.w'].map((name, l) => [name, tensor(gen(seed + 10 * l, 24), [4, 6])]),
    )
  const folder = newFolder()
  return { folder, sources: saveModels(folder, { base: model(1), a: model(2), b: model(3), c: model(4) }) }
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

const names = [...OPERATORS.values()].filter(({ needs }) => needs === undefined).map(({ name }) => name)

describe('a recipe of any operator', () => {
  it.each(names)('%s: what is scored in memory is what is written, to the rounding of float32', async name => {
    const { folder, sources } = models()
    const recipe = recipeOf(name)
    const merged = createMerger(loadSharedSources(sources, { threads: 1 }), 0).merge(recipe)
    const out = join(folder, 'merged.safetensors')
    await mergeToFiles(recipe, sources, out)
    expect(differenceFromCandidate(recipe, sources, out).relative).toBeLessThanOrEqual(1e-6)
    const written = openCheckpoint(out)
    for (const [tensorName, { data }] of merged.tensors) {
      const values = new Float32Array(written.read(tensorName).slice().buffer)
      const largest = data.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
      const worst = data.reduce((max, value, i) => Math.max(max, Math.abs(value - values[i]!)), 0)
      expect(worst, tensorName).toBeLessThanOrEqual(1e-6 * largest)
      expect(data.every(Number.isFinite)).toBe(true)
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
    [{ method: 'regmean', base: undefined }, 'regmean needs statistics'],
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
