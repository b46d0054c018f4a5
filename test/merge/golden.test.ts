import { describe, expect, it } from 'vitest'
import { createMerger } from '../../src/merge/merge.ts'
import { mergeReference } from '../../src/merge/reference.ts'
import { loadSharedSources } from '../../src/merge/sources.ts'
import type { Recipe } from '../../src/space/recipe.ts'
import { gen, linearRecipe, saveModels, taskArithmeticRecipe, temporaryFolders, tensor } from './fixture.ts'

// Numbers of an independent float64 implementation (numpy) of the formulas, 9 digits: base = gen(1), A = base + gen(2)/8,
// B = base + gen(3)/8, C = base + gen(4)/8, of shape 4 x 6.
const base = gen(1, 24)
const expert = (seed: number) => gen(seed, 24).map((value, i) => base[i]! + value / 8)
const MODELS = { base, A: expert(2), B: expert(3), C: expert(4) }

interface Golden {
  readonly name: string
  readonly recipe: Recipe
  /** Σ out, Σ (i+1) out_i, Σ |out − base|, first, last. */
  readonly row: readonly [number, number, number, number, number]
}

const GOLDEN: readonly Golden[] = [
  {
    name: 'linear, weights .5 .3 .2, normalized',
    recipe: linearRecipe({ A: 0.5, B: 0.3, C: 0.2 }),
    row: [-1.99907227, 0.00397949219, 1.59345703, -1.75043945, -0.421044922],
  },
  {
    name: 'task arithmetic, weights 1 .5 .5, lambda .7',
    recipe: taskArithmeticRecipe('base', { A: 1, B: 0.5, C: 0.5 }, { lambda: 0.7 }),
    row: [-1.85621338, 0.955126953, 2.18861084, -1.7045166, -0.406359863],
  },
]

function fingerprint(out: ArrayLike<number>): number[] {
  const values = Array.from(out)
  return [
    values.reduce((sum, value) => sum + value, 0),
    values.reduce((sum, value, i) => sum + (i + 1) * value, 0),
    values.reduce((sum, value, i) => sum + Math.abs(value - base[i]!), 0),
    values[0]!,
    values[23]!,
  ]
}

describe('golden numbers', () => {
  const newFolder = temporaryFolders()

  it('start from the generator as it is elsewhere', () => {
    expect([...base.subarray(0, 3)]).toEqual([-1.86328125, 0.9140625, 0.697265625])
    expect(MODELS.A[0]).toBeCloseTo(-1.7043457, 7)
    expect(MODELS.A[1]).toBeCloseTo(0.898193359, 9)
  })

  it.each(GOLDEN)('$name: float64 to 9 digits', ({ recipe, row }) => {
    const sources = new Map(Object.entries(MODELS).map(([id, values]) => [id, new Map([['w', values]])]))
    const found = fingerprint(mergeReference(recipe, sources).get('w')!)
    row.forEach((expected, i) => {
      expect(Math.abs(found[i]! - expected)).toBeLessThanOrEqual(5e-9 * Math.abs(expected) + 5e-12)
    })
  })

  it.each(GOLDEN)('$name: the kernel to float32', ({ recipe, row }) => {
    const models = Object.entries(MODELS).map(([id, values]) => [id, { w: tensor(values, [4, 6]) }])
    const shared = loadSharedSources(saveModels(newFolder(), Object.fromEntries(models)))
    const found = fingerprint(createMerger(shared, 0).merge(recipe).tensors.get('w')!.data)
    // 24 roundings of values below 4, weighted by up to 24.
    row.forEach((expected, i) => {
      expect(Math.abs(found[i]! - expected)).toBeLessThan(2e-5)
    })
  })
})
