import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expNonPositive } from '../../src/numerics/exp.ts'

/** Units in the last place between two positive numbers that are no subnormal ones. */
const ulps = (a: number, b: number): number => Math.abs(a - b) / 2 ** (Math.floor(Math.log2(b)) - 52)

describe('expNonPositive', () => {
  it('is e^x to within two units in the last place of Math.exp, which is within one', () => {
    fc.assert(
      fc.property(fc.double({ min: -708, max: 0, noNaN: true }), x => {
        expect(ulps(expNonPositive(x), Math.exp(x))).toBeLessThanOrEqual(2)
      }),
      { numRuns: 2000 },
    )
    for (let k = 0; k <= 20_000; k++)
      expect(ulps(expNonPositive(-k / 1024), Math.exp(-k / 1024))).toBeLessThanOrEqual(2)
  })

  it('is exact at 0, and falls through subnormal numbers to zero', () => {
    expect(expNonPositive(0)).toBe(1)
    expect(expNonPositive(-0)).toBe(1)
    for (const x of [-710, -730.5, -744, -745.13])
      expect(Math.abs(expNonPositive(x) - Math.exp(x))).toBeLessThanOrEqual(Number.MIN_VALUE)
    for (const x of [-745.2, -746, -1e6, -1e300, Number.NEGATIVE_INFINITY]) expect(expNonPositive(x)).toBe(0)
  })

  it('never rises as x falls', () => {
    const values = Array.from({ length: 100_000 }, (_, k) => expNonPositive(-k / 4096))
    expect(values.findIndex((value, k) => k > 0 && value >= values[k - 1]!)).toBe(-1)
  })

  it('is NaN of NaN', () => {
    expect(expNonPositive(Number.NaN)).toBeNaN()
  })
})
