import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromUnitInterval, intoUnitInterval } from '../../../src/strategies/cma-es/bound-transform.ts'

const anywhere = fc.double({ min: -100, max: 100, noNaN: true })

describe('intoUnitInterval', () => {
  it('is the identity away from the bounds, bit by bit', () => {
    fc.assert(fc.property(fc.double({ min: 0.05, max: 0.95, noNaN: true }), y => intoUnitInterval(y) === y))
  })

  it('maps the whole line into [0, 1]', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), y => {
        const x = intoUnitInterval(y)
        return x >= 0 && x <= 1
      }),
    )
  })

  it('reaches both bounds', () => {
    expect(intoUnitInterval(-0.05)).toBe(0)
    expect(intoUnitInterval(1.05)).toBeCloseTo(1, 15)
  })

  it('is even about its turning points and repeats', () => {
    fc.assert(
      fc.property(anywhere, y => {
        const x = intoUnitInterval(y)
        expect(intoUnitInterval(-0.1 - y)).toBeCloseTo(x, 10)
        expect(intoUnitInterval(2.1 - y)).toBeCloseTo(x, 10)
        expect(intoUnitInterval(y + 2.2)).toBeCloseTo(x, 10)
      }),
    )
  })

  it('has a slope that never jumps and never exceeds 1', () => {
    const h = 1e-4
    const slope = (y: number): number => (intoUnitInterval(y + h) - intoUnitInterval(y - h)) / (2 * h)
    fc.assert(
      fc.property(anywhere, y => {
        expect(Math.abs(slope(y))).toBeLessThan(1 + 1e-9)
        // The curvature of the rims is 1 / (2 a) = 10, elsewhere it is 0.
        expect(Math.abs(slope(y + h) - slope(y))).toBeLessThan(10 * h + 1e-9)
      }),
    )
  })

  it('undoes fromUnitInterval', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), x => {
        const y = fromUnitInterval(x)
        expect(y).toBeGreaterThanOrEqual(-0.05)
        expect(y).toBeLessThanOrEqual(1.05)
        expect(intoUnitInterval(y)).toBeCloseTo(x, 14)
      }),
    )
  })
})
