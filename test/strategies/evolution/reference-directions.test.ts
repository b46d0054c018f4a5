import { describe, expect, it } from 'vitest'
import {
  latticeSize,
  referenceDirections,
  simplexLattice,
} from '../../../src/strategies/evolution/reference-directions.ts'

describe('reference directions', () => {
  it('number as published: 91 for three objectives, 210 for five, two layers of 120 and 36 for eight', () => {
    expect(simplexLattice(3, 12)).toHaveLength(91)
    expect(simplexLattice(5, 6)).toHaveLength(210)
    expect(referenceDirections(3, 91)).toHaveLength(91)
    expect(referenceDirections(3, 100)).toHaveLength(91)
    expect(referenceDirections(5, 210)).toHaveLength(210)
    expect(referenceDirections(8, 156)).toHaveLength(156)
    expect(referenceDirections(10, 275)).toHaveLength(275)
  })

  for (const [m, most] of [
    [1, 10],
    [2, 100],
    [3, 100],
    [8, 156],
    [15, 135],
    [20, 5],
  ] as const) {
    it(`lie on the simplex and differ, m = ${m}, at most ${most}`, () => {
      const directions = referenceDirections(m, most)
      expect(directions.length).toBeLessThanOrEqual(Math.max(m, most))
      for (const w of directions) {
        expect(w).toHaveLength(m)
        expect(Math.min(...w)).toBeGreaterThanOrEqual(0)
        expect(w.reduce((sum, v) => sum + v, 0)).toBeCloseTo(1, 12)
      }
      expect(new Set(directions.map(w => w.join())).size).toBe(directions.length)
      for (let i = 0; i < m; i++) expect(directions.some(w => w[i] === 1)).toBe(true)
    })
  }

  it('count without being listed', () => {
    for (const [m, p] of [
      [1, 4],
      [2, 7],
      [3, 12],
      [6, 3],
    ] as const)
      expect(simplexLattice(m, p)).toHaveLength(latticeSize(m, p))
  })
})
