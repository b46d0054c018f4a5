import { describe, expect, it } from 'vitest'
import type { Domain } from '../../src/candidate.ts'
import { createRng } from '../../src/rng.ts'
import { InitialDesign } from '../../src/strategies/initial-design.ts'
import { aroundStart } from '../../src/strategies/initial-spread.ts'
import { mixed } from '../problems/multi-objective.ts'
import { isInside, realDomain } from '../problems/problem.ts'

describe('scattering around the start', () => {
  it('keeps the start, and draws a corner half way to it', () => {
    const domain = realDomain(2, 0, 1, [0.2, 0.6])
    expect([...aroundStart(domain, Float64Array.of(0.2, 0.6), 0.5)]).toEqual([0.2, 0.6])
    const corner = aroundStart(domain, Float64Array.of(1, 0), 0.5)
    expect(corner[0]).toBeCloseTo(0.6, 12)
    expect(corner[1]).toBeCloseTo(0.3, 12)
  })

  it('measures in the unit cube, whatever the bounds', () => {
    const domain = realDomain(1, -5, 5, [-3])
    expect(aroundStart(domain, Float64Array.of(1), 0.25)[0]).toBeCloseTo(0.2 + 0.25 * 0.8, 12)
  })

  it('is the point itself, to the last bit, over the whole box', () => {
    const point = Float64Array.of(0.1, 0.7)
    expect(aroundStart(realDomain(2, 0, 1, [1 / 3, 2 / 3]), point, 1)).toEqual(point)
  })

  it('leaves choices alone, which have no distance', () => {
    const domain: Domain = {
      genes: [{ kind: 'categorical', name: 'method', choices: ['x', 'y', 'z'], initial: 0 }],
      initial: Float64Array.of(0),
    }
    expect(aroundStart(domain, Float64Array.of(0.9), 0.1)[0]).toBe(0.9)
  })

  it('fills a box of that side with the start in it', () => {
    const domain = realDomain(3, 0, 1, [0, 0.5, 0.9])
    const design = new InitialDesign(domain, undefined, createRng(4), 0.4)
    const points = Array.from({ length: 64 }, (_, k) => design.genome(1 + k))
    for (const [i, low] of [0, 0.3, 0.54].entries()) {
      const values = points.map(point => point[i]!)
      expect(Math.min(...values)).toBeGreaterThanOrEqual(low)
      expect(Math.min(...values)).toBeLessThan(low + 0.02)
      expect(Math.max(...values)).toBeLessThanOrEqual(low + 0.4)
      expect(Math.max(...values)).toBeGreaterThan(low + 0.38)
    }
  })

  it('stays in the box of mixed genes', () => {
    const { domain } = mixed()
    const design = new InitialDesign(domain, undefined, createRng(1), 0.3)
    for (let k = 0; k < 50; k++) expect(isInside(domain, design.genome(k))).toBe(true)
  })
})
