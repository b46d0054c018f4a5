import { describe, expect, it } from 'vitest'
import { encodingOf } from '../../../src/strategies/bayes/encoding.ts'
import {
  failureTolerance,
  newTrustRegion,
  type TrustRegion,
  trustBox,
  updateTrustRegion,
} from '../../../src/strategies/bayes/trust-region.ts'
import { realDomain } from '../../problems/problem.ts'

const TOLERANCE = 4

function told(region: TrustRegion, losses: readonly (number | undefined)[]): TrustRegion | undefined {
  let current: TrustRegion | undefined = region
  for (const loss of losses) current = current && updateTrustRegion(current, [loss], 1, TOLERANCE)
  return current
}

describe('the trust region', () => {
  const start = told(newTrustRegion(7), [10])!

  it('begins with the first loss it sees', () => {
    expect(start).toEqual({ length: 0.8, successes: 0, failures: 0, best: 10, firstId: 7 })
  })

  it('doubles after three gains in a row, up to its greatest length', () => {
    expect(told(start, [9, 8])).toMatchObject({ length: 0.8, successes: 2, best: 8 })
    expect(told(start, [9, 8, 7])).toMatchObject({ length: 1.6, successes: 0, best: 7 })
    expect(told(start, [9, 8, 7, 6, 5, 4])).toMatchObject({ length: 1.6, best: 4 })
    expect(told(start, [9, 8, 11, 7])).toMatchObject({ length: 0.8, successes: 1 })
  })

  it('halves after as many failures in a row as it tolerates, a gain in between starting the count again', () => {
    expect(told(start, [11, 11, 11])).toMatchObject({ length: 0.8, failures: 3 })
    expect(told(start, [11, undefined, 11, 10])).toMatchObject({ length: 0.4, failures: 0 })
    expect(told(start, [11, 11, 11, 9, 11])).toMatchObject({ length: 0.8, failures: 1, best: 9 })
    expect(updateTrustRegion(start, [12, 12, 12, 12, 12], 1, TOLERANCE)).toMatchObject({ length: 0.4 })
  })

  it('takes less than a thousandth of the deviation for no gain, wherever the origin lies', () => {
    expect(told(start, [10 - 0.9e-3])).toMatchObject({ failures: 1, best: 10 - 0.9e-3 })
    expect(told(start, [10 - 1.1e-3])).toMatchObject({ failures: 0, successes: 1 })
  })

  it('is over when its side would be shorter than 1/128', () => {
    const failures = (halvings: number): undefined[] => Array.from({ length: halvings * TOLERANCE }, () => undefined)
    expect(told(start, failures(6))?.length).toBeCloseTo(0.8 / 64, 12)
    expect(told(start, failures(7))).toBeUndefined()
  })

  it('tolerates d failures, fewer when the budget is small', () => {
    expect(failureTolerance(200, undefined)).toBe(200)
    expect(failureTolerance(200, 280)).toBe(20)
    expect(failureTolerance(200, 1_000_000)).toBe(200)
    expect(failureTolerance(2, undefined)).toBe(4)
  })

  it('is a box about its centre within the cube, longer where the lengthscale is longer', () => {
    const encoding = encodingOf(realDomain(3, 0, 10))
    const { low, high } = trustBox(encoding, Float64Array.of(1, 2, 0.5), Float64Array.of(5, 5, 9.9), 0.2)
    expect(low[0]).toBeCloseTo(0.4, 12)
    expect(high[0]).toBeCloseTo(0.6, 12)
    expect(low[1]).toBeCloseTo(0.3, 12)
    expect(high[1]).toBeCloseTo(0.7, 12)
    expect(low[2]).toBeCloseTo(0.94, 12)
    expect(high[2]).toBe(1)
  })
})
