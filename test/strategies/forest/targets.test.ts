import { describe, expect, it } from 'vitest'
import { logTargets } from '../../../src/strategies/forest/targets.ts'

describe('logarithmic targets', () => {
  it('keep the order, are 0 at the worst loss and finite at the best', () => {
    const targets = logTargets([3, 1, 1000, 2])
    expect([...targets].map(Number.isFinite)).toEqual([true, true, true, true])
    expect(targets[2]).toBeCloseTo(0, 12)
    expect(targets[1]).toBeLessThan(targets[3]!)
    expect(targets[3]).toBeLessThan(targets[0]!)
  })

  it('take their origin as far below the best loss as a twentieth of the losses lies above it', () => {
    // 21 losses 0, 1, ..., 20: the 5 % quantile is 1, the origin -1.
    const targets = logTargets(Array.from({ length: 21 }, (_, i) => i))
    expect(targets[0]).toBeCloseTo(Math.log(1 / 21), 12)
    expect(targets[4]).toBeCloseTo(Math.log(5 / 21), 12)
  })

  it('are finite where many share the best loss, and zero where all losses are equal', () => {
    expect(logTargets([0, 0, 0, 0, 1]).every(Number.isFinite)).toBe(true)
    expect([...logTargets([2, 2, 2])]).toEqual([0, 0, 0])
  })
})
