import { expect, it } from 'vitest'
import { METHODS } from '../../src/merge/methods.ts'
import { SEARCHABLE_METHODS, UNAVAILABLE_METHODS } from '../../src/space/searchable-methods.ts'

it('searches every method that exists, and calls none of them unavailable', () => {
  expect(SEARCHABLE_METHODS.map(method => method.name).sort()).toEqual([...METHODS.keys()].sort())
  expect(UNAVAILABLE_METHODS.filter(name => METHODS.has(name))).toEqual([])
})

it.each(SEARCHABLE_METHODS)(
  'says of $name what the method says of itself',
  ({ name, needsBase, normalize, hasLambda }) => {
    const method = METHODS.get(name)!
    expect(method.needsBase).toBe(needsBase)
    expect(method.parameters.find(parameter => parameter.name === 'normalize')?.default).toBe(normalize)
    expect(method.parameters.some(parameter => parameter.name === 'lambda')).toBe(hasLambda)
    expect(method.coefficients.map(coefficient => coefficient.name)).toEqual(['weight'])
  },
)
