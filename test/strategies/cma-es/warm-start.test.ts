import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { promisingCount, promisingDistribution } from '../../../src/strategies/cma-es/warm-start.ts'

describe('promisingCount', () => {
  it('takes a tenth of the points, if that is at least three', () => {
    expect([0, 9, 10, 29, 30, 31, 400].map(promisingCount)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      3,
      3,
      40,
    ])
  })
})

describe('promisingDistribution', () => {
  const points = [Float64Array.of(0.1, 0.2), Float64Array.of(0.3, 0.6), Float64Array.of(0.5, 0.4)]
  // Means 0.3 and 0.4; variances 0.08/3 and 0.08/3, covariance 0.04/3; the prior adds 0.01.
  const variance = 0.08 / 3 + 0.01
  const determinant = variance ** 2 - (0.04 / 3) ** 2

  it('is the Gaussian around the points, widened by a tenth of the range, with C of determinant 1', () => {
    const { mean, sigma, covariance } = promisingDistribution(points, 'full')
    expect([...mean].map(m => m.toFixed(12))).toEqual(['0.300000000000', '0.400000000000'])
    expect(sigma).toBeCloseTo(determinant ** 0.25, 12)
    expect(covariance[0]! * sigma ** 2).toBeCloseTo(variance, 12)
    expect(covariance[1]! * sigma ** 2).toBeCloseTo(0.04 / 3, 12)
    expect(covariance[1]).toBe(covariance[2])
    expect(covariance[0]! * covariance[3]! - covariance[1]! * covariance[2]!).toBeCloseTo(1, 12)
  })

  it('has the diagonal alone where that is all there is room for', () => {
    const { sigma, covariance } = promisingDistribution(points, 'diagonal')
    expect(sigma).toBeCloseTo(Math.sqrt(variance), 12)
    expect([...covariance].map(c => c.toFixed(12))).toEqual(['1.000000000000', '1.000000000000'])
  })

  it('does not underflow where the determinant does', () => {
    const rng = createRng(1)
    const many = Array.from({ length: 5 }, () => Float64Array.from({ length: 200 }, () => 0.5 + 1e-3 * rng.normal()))
    expect(promisingDistribution(many, 'full').sigma).toBeCloseTo(0.1, 4) // det = 10^-400
  })
})
