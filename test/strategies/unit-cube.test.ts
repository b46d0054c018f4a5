import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Domain, Gene } from '../../src/candidate.ts'
import { fromUnitCube, geneCoordinate, geneValue, resetInactive, toUnitCube } from '../../src/strategies/unit-cube.ts'
import { mixed } from '../problems/multi-objective.ts'
import { isInside } from '../problems/problem.ts'

const domain = mixed().domain
const point = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 })

describe('the unit cube', () => {
  it('maps onto the genes, ends onto bounds exactly', () => {
    expect([...fromUnitCube(domain, [0, 0, 0, 0, 0])]).toEqual([0, -1, 3, 1e-4, 0.1])
    expect([...fromUnitCube(domain, [1, 1, 1, 1, 1])]).toEqual([2, 2, 9, 1, 1])
  })

  it('never leaves the bounds', () => {
    fc.assert(fc.property(point, u => isInside(domain, fromUnitCube(domain, u))))
  })

  it('is undone by toUnitCube, up to the cell of a discrete gene', () => {
    fc.assert(
      fc.property(point, u => {
        const genome = fromUnitCube(domain, u)
        const again = fromUnitCube(domain, toUnitCube(domain, genome))
        for (const i of [0, 2]) expect(again[i]).toBe(genome[i])
        for (const i of [1, 3, 4]) expect(Math.abs(again[i]! - genome[i]!)).toBeLessThan(1e-14)
      }),
    )
  })

  it('searches a log gene on a logarithmic axis', () => {
    const gene: Gene = { kind: 'real', name: 'rate', low: 1e-4, high: 1, scale: 'log', initial: 0.1 }
    expect(geneValue(gene, 0.5)).toBeCloseTo(1e-2, 15)
    expect(geneCoordinate(gene, 0.1)).toBeCloseTo(0.75, 15)
  })

  it('gives every value of an integer gene the same width', () => {
    const gene: Gene = { kind: 'integer', name: 'layer', low: -1, high: 2, initial: 0 }
    expect([0, 0.24, 0.26, 0.5, 0.74, 0.76, 1].map(u => geneValue(gene, u))).toEqual([-1, -1, 0, 1, 1, 2, 2])
    expect(geneCoordinate(gene, -1)).toBe(0.125)
  })
})

describe('resetInactive', () => {
  it('sets a gene whose condition does not hold to its start, and leaves the others', () => {
    expect([...resetInactive(domain, Float64Array.of(0, 0.1, 5, 0.5, 0.3))]).toEqual([0, 0.1, 5, 0.5, 1])
    expect([...resetInactive(domain, Float64Array.of(2, 0.1, 5, 0.5, 0.3))]).toEqual([2, 0.1, 5, 0.5, 0.3])
  })

  it('follows chains of conditions, whatever the order of the genes', () => {
    const genes: readonly Gene[] = [
      {
        kind: 'real',
        name: 'c',
        low: 0,
        high: 1,
        scale: 'linear',
        initial: 0.5,
        activeWhen: { gene: 'b', oneOf: [1] },
      },
      { kind: 'categorical', name: 'b', choices: [0, 1], initial: 1, activeWhen: { gene: 'a', oneOf: [1] } },
      { kind: 'categorical', name: 'a', choices: [0, 1], initial: 0 },
    ]
    const chain: Domain = { genes, initial: Float64Array.of(0.5, 1, 0) }
    expect([...resetInactive(chain, Float64Array.of(0.1, 1, 1))]).toEqual([0.1, 1, 1])
    expect([...resetInactive(chain, Float64Array.of(0.1, 0, 1))]).toEqual([0.5, 0, 1])
    expect([...resetInactive(chain, Float64Array.of(0.1, 0, 0))]).toEqual([0.5, 1, 0])
  })
})
