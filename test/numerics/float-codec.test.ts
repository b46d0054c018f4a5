import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeFloat32, decodeFloat64, encodeFloat32, encodeFloat64 } from '../../src/numerics/float-codec.ts'

it('float arrays survive the text form bit by bit: -0, NaN and infinities included', () => {
  fc.assert(
    fc.property(fc.float64Array(), values => {
      expect(decodeFloat64(encodeFloat64(values))).toEqual(values)
    }),
  )
  expect(Object.is(decodeFloat64(encodeFloat64(new Float64Array([-0])))[0], -0)).toBe(true)
  const narrow = new Float32Array([1.5, Number.NaN, -0, Number.POSITIVE_INFINITY])
  expect(decodeFloat32(encodeFloat32(narrow))).toEqual(narrow)
  expect(decodeFloat64(encodeFloat64(new Float64Array([1, 2, 3]).subarray(1)))).toEqual(new Float64Array([2, 3]))
})

it('a text of another length is refused with both numbers', () => {
  expect(() => decodeFloat64(encodeFloat64(new Float64Array(2)), 3)).toThrow('Expected 24 bytes of float64, got 16.')
  expect(() => decodeFloat32('AAA=')).toThrow('Expected a multiple of 4 bytes of float32, got 2.')
})
