import { describe, expect, it } from 'vitest'
import { asBoolean, asNumber, evaluate } from '../../../src/merge/mergekit/values.ts'

describe('parameter values', () => {
  it.each([
    [0.7, 'w', 0.3, 0.7],
    [[0, 1], 'w', 0.25, 0.25],
    [[0, 0.5, 1], 'w', 0.75, 0.75],
    [[0, 10, 0], 'w', 1, 0],
    [[5], 'w', 1, 5],
    [[false, true], 'w', 0.5, 0.5],
    [['a', 'b', 'c'], 'w', 0.99, 'b'],
    [['a', 'b', 'c'], 'w', 1, 'c'],
    [[{ value: 1, filter: 'mlp' }, { value: 2 }], 'layers.0.mlp.up', 0, 1],
    [[{ value: 1, filter: 'mlp' }, { value: 2 }], 'layers.0.self_attn.q', 0, 2],
    [[{ value: 1, filter: 'layers.1' }], 'layers.10.w', 0, 1], // part of a name, as in mergekit
    [[{ value: 1, filter: 'MLP' }], 'layers.0.mlp.up', 0, undefined],
    [[{ value: 1, filter: '*' }], 'anything', 0, 1],
    [[{ value: [0, 4], filter: 'mlp' }], 'mlp', 0.5, 2],
  ])('%j for %s at %d is %j', (value, tensor, t, expected) => {
    expect(evaluate(value, tensor, t)).toEqual(expected)
  })

  it('are numbers or booleans where they must be', () => {
    expect(asNumber(true, 'weight', 'w')).toBe(1)
    expect(asBoolean(0, 'normalize', 'w')).toBe(false)
    expect(() => asNumber('high', 'weight', '"w"')).toThrow('"w": weight must be a number, got "high".')
    expect(() => asBoolean('yes', 'normalize', '"w"')).toThrow('"w": normalize must be true or false, got "yes".')
  })
})
