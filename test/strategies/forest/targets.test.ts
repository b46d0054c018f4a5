import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { logTargets } from '../../../src/strategies/forest/targets.ts'
import { paregoLosses } from '../../../src/strategies/pareto-scalarization.ts'

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

describe('ParEGO losses', () => {
  it('are 0 for a point that is best in everything and largest for the worst', () => {
    for (let seed = 0; seed < 20; seed++) {
      const losses = paregoLosses(
        [
          [1, 5, 2],
          [3, 9, 4],
          [2, 6, 3],
        ],
        createRng(seed),
      )
      expect(losses[0]).toBe(0)
      expect(losses[1]).toBeGreaterThan(losses[2]!)
    }
  })

  it('have weights that are uniform on the simplex', () => {
    // Points worst in one objective alone have loss 1.05 w_i, whose mean is 1.05 / 3 and variance 1.05² / 18.
    const draws = 4000
    const rng = createRng(1)
    const first = Array.from(
      { length: draws },
      () =>
        paregoLosses(
          [
            [1, 0, 0],
            [0, 1, 0],
            [0, 0, 1],
          ],
          rng,
        )[0]! / 1.05,
    )
    const mean = first.reduce((sum, w) => sum + w, 0) / draws
    const variance = first.reduce((sum, w) => sum + (w - mean) ** 2, 0) / draws
    expect(mean).toBeCloseTo(1 / 3, 1)
    expect(variance).toBeCloseTo(1 / 18, 2)
  })

  it('take an objective that never changes as nothing', () => {
    expect(
      paregoLosses(
        [
          [1, 7],
          [2, 7],
        ],
        createRng(1),
      )[0],
    ).toBe(0)
  })
})
