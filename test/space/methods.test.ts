import { expect, it } from 'vitest'
import { OPERATORS } from '../../src/merge/operators/registry.ts'
import {
  COEFFICIENTS,
  methodsWithStatistics,
  neededBy,
  SEARCHABLE_METHODS,
  searchableMethod,
  usesStatistics,
} from '../../src/space/methods.ts'
import type { ParameterMerge } from '../../src/space/recipe.ts'

it('searches every operator, and knows which need more than weights', () => {
  const all = [...OPERATORS.keys()]
  expect(SEARCHABLE_METHODS.map(({ name }) => name)).toEqual(all)
  for (const name of all) expect(searchableMethod(name)?.name).toBe(name)
  expect(methodsWithStatistics([...all, 'tise']).map(({ name }) => name)).toEqual(['fisher', 'regmean'])
  for (const name of ['fisher', 'regmean']) expect(neededBy(name)).toBeTypeOf('string')
  expect(neededBy('ties')).toBeUndefined()
  expect(neededBy('tise')).toBeUndefined()
})

it('knows which recipes are merged with statistics, by any of their groups', () => {
  const recipe = (method: string, own?: string): ParameterMerge => ({
    ...{ kind: 'parameter-merge', method, base: undefined, sources: ['a'], parameters: {} },
    groups: [
      { layers: [0, 1], ...(own !== undefined && { method: own }), coefficients: { a: {} } },
      { layers: 'all', coefficients: { a: {} } },
    ],
  })
  expect(usesStatistics(recipe('linear'))).toBe(false)
  expect(usesStatistics(recipe('fisher'))).toBe(true)
  expect(usesStatistics(recipe('linear', 'regmean'))).toBe(true)
  const pieces = { kind: 'piecewise-merge', method: 'linear', base: undefined, sources: ['a'] } as const
  expect(usesStatistics({ ...pieces, parameters: { normalize: false }, pieces: [] })).toBe(false)
})

it('has a key for every coefficient of every operator, and none besides', () => {
  const names = new Set(SEARCHABLE_METHODS.flatMap(method => method.coefficients.map(({ name }) => name)))
  expect([...names].sort()).toEqual([...COEFFICIENTS].sort())
})
