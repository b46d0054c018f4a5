import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { additiveEpsilon, igdPlus, r2 } from '../../src/archive/indicators.ts'

const sets = fc.array(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 3, maxLength: 3 }), {
  minLength: 1,
  maxLength: 8,
})
const targets = [
  [0, 4],
  [2, 2],
  [4, 0],
]

describe('igdPlus', () => {
  it('counts only what is worse', () => {
    expect(igdPlus(targets, targets)).toBe(0)
    expect(igdPlus([[1, 1]], targets)).toBe((1 + 0 + 1) / 3)
    expect(igdPlus([[5, 6]], [[2, 2]])).toBe(5)
    expect(igdPlus([], targets)).toBe(Infinity)
  })
})

describe('r2', () => {
  it('is the mean of the best weighted Chebyshev values', () => {
    const weights = [Float64Array.of(1, 0), Float64Array.of(0.5, 0.5)]
    expect(
      r2(
        [
          [2, 4],
          [6, 3],
        ],
        weights,
        [0, 1],
      ),
    ).toBe((2 + 1.5) / 2)
  })
})

describe('additiveEpsilon', () => {
  it('is the shift that makes a set weakly dominate another', () => {
    expect(additiveEpsilon(targets, targets)).toBe(0)
    expect(additiveEpsilon([[3, 3]], targets)).toBe(3)
    expect(additiveEpsilon([[-1, -1]], [[2, 2]])).toBe(-3)
  })
})

it('never gets worse by another point, nor by a better one in place of one', () => {
  const weights = [
    [0.2, 0.3, 0.5],
    [1, 0, 0],
  ]
  fc.assert(
    fc.property(sets, sets, (points, reference) => {
      const [extra, ...rest] = points
      const better = [extra!.map(loss => loss - 1), ...rest]
      for (const measure of [
        (set: number[][]) => igdPlus(set, reference),
        (set: number[][]) => r2(set, weights, [-2, -2, -2]),
        (set: number[][]) => additiveEpsilon(set, reference),
      ]) {
        expect(measure(points)).toBeLessThanOrEqual(measure(rest))
        expect(measure(better)).toBeLessThanOrEqual(measure(points))
        expect(measure([...points].reverse())).toBe(measure(points))
      }
    }),
  )
})

it('refuses an empty reference set', () => {
  expect(() => igdPlus([[1]], [])).toThrow('Expected a reference set or weights, got none.')
})
