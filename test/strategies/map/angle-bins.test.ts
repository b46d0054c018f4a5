import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import {
  anglesOf,
  binOf,
  binsPerAngle,
  directionOf,
  drawUncertain,
  pointInBin,
} from '../../../src/strategies/map/angle-bins.ts'
import { fitSurrogate } from '../../../src/strategies/map/surrogate.ts'
import { minimize } from '../../problems/problem.ts'

const unitBox = (d: number) => ({ low: new Float64Array(d), high: new Float64Array(d).fill(1) })

describe('angle bins', () => {
  it('turns coordinates into angles and back', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.001, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 }), u => {
        const length = Math.hypot(...u)
        const direction = directionOf(anglesOf(u))
        for (const [i, v] of u.entries()) expect(direction[i]).toBeCloseTo(v / length, 10)
      }),
    )
  })

  it('has four bins per angle below four genes and two above', () => {
    expect([2, 3, 4, 6].map(binsPerAngle)).toEqual([4, 4, 2, 2])
    expect(binOf([1, 0], 4)).toBe(0)
    expect(binOf([0, 1], 4)).toBe(3)
    expect(binOf([1, 1, 1], 2)).toBe(3)
  })

  it('draws points of a bin inside that bin and the box', () => {
    const rng = createRng(1)
    for (let bin = 0; bin < 16; bin++) {
      for (let i = 0; i < 20; i++) {
        const point = pointInBin(bin, 4, unitBox(3), rng)
        expect(binOf(point, 4)).toBe(bin)
        expect(Math.max(...point)).toBeLessThanOrEqual(1)
        expect(Math.max(...point)).toBeGreaterThanOrEqual(0.2 - 1e-12)
      }
    }
  })

  it('samples where the surrogate fits badly', () => {
    const rng = createRng(2)
    const points = Array.from({ length: 60 }, () => Float64Array.of(rng.uniform(), rng.uniform()))
    // Flat, but rough in the last quarter of the directions.
    const values = Float64Array.from(points, u => (binOf(u, 4) === 3 ? Math.sin(40 * u[1]!) : 0.01 * u[0]!))
    const ones = new Float64Array(60).fill(1)
    const surrogate = fitSurrogate(
      minimize('f', 2),
      { points, values, examples: new Float64Array(60), focus: ones },
      { link: 'identity', model: 'auto' },
    )!
    const drawn = drawUncertain([surrogate], points, unitBox(2), 100, rng)
    expect(drawn.filter(u => binOf(u, 4) === 3).length).toBeGreaterThan(50)
  })
})
