import { expect, it } from 'vitest'
import { GenomeError } from '../../src/errors.ts'
import { createSearchSpace } from '../../src/space/build-space.ts'
import { genomeSchema } from '../../src/space/genome-config.ts'
import type { ParameterMerge } from '../../src/space/recipe.ts'
import { ofGroups } from '../helpers/parameter-merge.ts'

const names = [0, 1, 2, 3, 4].map(l => `layers.${l}.weight`)
const space = (config: Record<string, unknown>) =>
  ofGroups(
    createSearchSpace(genomeSchema.parse({ merge_method: 'task_arithmetic', ...config }), names, ['a', 'b'], 'base'),
  )
const recipe = (groups: ParameterMerge['groups'], rest: Partial<ParameterMerge> = {}): ParameterMerge => ({
  kind: 'parameter-merge',
  method: 'task_arithmetic',
  base: 'base',
  sources: ['a', 'b'],
  parameters: { normalize: false, lambda: 1 },
  groups,
  ...rest,
})
const uniform = (a: number, b = a): ParameterMerge =>
  recipe([{ layers: 'all', coefficients: { a: { weight: a }, b: { weight: b } } }])

it('takes recipes grouped otherwise, averaging over the tensors of each group', () => {
  const two = recipe([
    { layers: [0, 1], coefficients: { a: { weight: 0 }, b: { weight: 1 } } },
    { layers: 'all', coefficients: { a: { weight: 1 }, b: { weight: 0.5 } } },
  ])
  expect([...space({ layer_granularity: 2 }).encode(two)]).toEqual([0.5, 0.75, 1, 0.5, 1, 0.5])
  expect([...space({ layer_granularity: 1 }).encode(uniform(0.3))]).toEqual(new Array(10).fill(0.3))
})

it('finds the straight line nearest to weights that are not on one', () => {
  // Least squares by hand: weights 0, 0, 0, 0, 1 at t = 0, 1/4, ..., 1 have slope 0.8 and intercept -0.2, which ends up at the bound 0.
  const steps = recipe([
    { layers: [4, 5], coefficients: { a: { weight: 1 }, b: { weight: 0.2 } } },
    { layers: 'all', coefficients: { a: { weight: 0 }, b: { weight: 0.2 } } },
  ])
  const wide = space({ gradient: { points: 2 }, allow_negative_weights: true }).encode(steps)
  const expected = [-0.2, 0.2, 0.6, 0.2]
  wide.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 12)
  })
  expect(space({ gradient: { points: 2 } }).encode(steps)[0]).toBe(0)
})

it('gives shared genes the mean', () => {
  const s = space({
    groups: [
      { match: { source: 'a' }, share: 'x' },
      { match: { source: 'b' }, share: 'x' },
    ],
  })
  expect([...s.encode(uniform(0.2, 0.6))]).toEqual([0.4])
})

it('solves thousands of genes that do not touch each other one by one', () => {
  const many = Array.from({ length: 3000 }, (_, l) => `layers.${l}.weight`)
  const config = genomeSchema.parse({ merge_method: 'task_arithmetic', layer_granularity: 1 })
  const s = ofGroups(createSearchSpace(config, many, ['a', 'b'], 'base'))
  expect(s.genes).toHaveLength(6000)
  expect(s.encode(uniform(0.1))).toEqual(new Float64Array(6000).fill(0.1))
})

it.each([
  [uniform(2), 'Expected a weight in [0, 1.5], got 2 for "a" in tensor "layers.0.weight".'],
  [{ ...uniform(1), method: 'linear' }, 'Expected a recipe with the method "task_arithmetic", got "linear".'],
  [{ ...uniform(1), base: 'other' }, 'Expected a recipe with the base "base", got "other".'],
  [{ ...uniform(1), sources: ['b', 'a'] }, 'Expected a recipe with the sources ["a","b"], got ["b","a"].'],
  [{ ...uniform(1), parameters: { normalize: true } }, 'Expected a recipe with normalize false, got true.'],
  [{ ...uniform(1), parameters: { lambda: 2 } }, 'Expected a recipe with lambda 1, got 2.'],
  [
    recipe([{ layers: 'all', coefficients: { a: { weight: 1 } } }]),
    'Expected the recipe to have a weight of "b" for tensor "layers.0.weight", but it has none.',
  ],
  [
    recipe([{ layers: 'pre', coefficients: {} }]),
    'Expected one of the recipe\'s 1 groups to select tensor "layers.0.weight" (layer 0), but none does.',
  ],
])('refuses a recipe that is not of the space (%#)', (foreign, message) => {
  expect(() => space({}).encode(foreign)).toThrow(GenomeError)
  expect(() => space({}).encode(foreign)).toThrow(message)
})

it('refuses a weight other than the frozen one', () => {
  const s = space({ groups: [{ match: { source: 'a' }, frozen: 0.3 }] })
  expect([...s.encode(uniform(0.3, 0.5))]).toEqual([0.5])
  expect(() => s.encode(uniform(0.5))).toThrow(
    'Expected the frozen weight 0.3, got 0.5 for "a" in tensor "layers.0.weight".',
  )
})

it('forgives rounding at the bounds', () => {
  expect([...space({}).encode(uniform(1.5 + 1e-12))]).toEqual([1.5, 1.5])
})
