import { describe, expect, it } from 'vitest'
import { baselineRecipes, SCALES } from '../src/baselines.ts'
import { recipeSchema } from '../src/space/recipe.ts'

describe('baselineRecipes', () => {
  it('are the base, each source alone, their uniform average and one weight for all task vectors', () => {
    const baselines = baselineRecipes(['math', 'code'], 'base')
    expect(baselines.map(({ name }) => name)).toEqual([
      'base',
      'math',
      'code',
      'uniform',
      ...SCALES.map(scale => `scale-${scale}`),
    ])
    const recipe = (name: string) => baselines.find(baseline => baseline.name === name)!.recipe
    expect(recipe('base')).toMatchObject({ method: 'linear', base: undefined, sources: ['base'] })
    expect(recipe('math')).toMatchObject({ method: 'linear', sources: ['math'] })
    expect(recipe('uniform').groups).toEqual([
      { layers: 'all', coefficients: { math: { weight: 1 }, code: { weight: 1 } } },
    ])
    expect(recipe('scale-0.3')).toEqual({
      kind: 'parameter-merge',
      method: 'task_arithmetic',
      base: 'base',
      sources: ['math', 'code'],
      parameters: { normalize: false, lambda: 1 },
      groups: [{ layers: 'all', coefficients: { math: { weight: 0.3 }, code: { weight: 0.3 } } }],
    })
  })

  it('sweep upwards from 0.1 and past 1', () => {
    expect(SCALES).toEqual([...SCALES].sort((a, b) => a - b))
    expect(SCALES[0]).toBe(0.1)
    expect(SCALES.at(-1)).toBe(1.5)
  })

  it('have no sweep without a base', () => {
    expect(baselineRecipes(['a', 'b'], undefined).map(({ name }) => name)).toEqual(['a', 'b', 'uniform'])
  })

  it('have distinct names even where a source is named like a baseline', () => {
    const names = baselineRecipes(['base', 'uniform', 'scale-0.5', 'x'], 'origin').map(({ name }) => name)
    expect(names.slice(0, 6)).toEqual(['base', 'source-base', 'source-uniform', 'source-scale-0.5', 'x', 'uniform'])
    expect(new Set(names).size).toBe(names.length)
  })

  it('are valid recipes', () => {
    for (const { recipe } of baselineRecipes(['a', 'b'], 'c')) expect(recipeSchema.parse(recipe)).toEqual(recipe)
  })
})
