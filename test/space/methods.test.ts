import { expect, it } from 'vitest'
import { OPERATORS } from '../../src/merge/operators/registry.ts'
import { COEFFICIENTS, neededBy, SEARCHABLE_METHODS, searchableMethod } from '../../src/space/methods.ts'

it('searches every operator that needs weights only', () => {
  const refused = [...OPERATORS.values()].filter(operator => !SEARCHABLE_METHODS.includes(operator))
  expect(refused.map(({ name }) => name)).toEqual(['fisher', 'regmean'])
  for (const { name } of refused) {
    expect(searchableMethod(name)).toBeUndefined()
    expect(neededBy(name)).toBeTypeOf('string')
  }
  expect(neededBy('ties')).toBeUndefined()
  expect(neededBy('tise')).toBeUndefined()
})

it('has a key for every coefficient of every operator, and none besides', () => {
  const names = new Set(SEARCHABLE_METHODS.flatMap(method => method.coefficients.map(({ name }) => name)))
  expect([...names].sort()).toEqual([...COEFFICIENTS].sort())
})
