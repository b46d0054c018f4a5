import { describe, expect, it } from 'vitest'
import type { Domain, Gene } from '../../../src/candidate.ts'
import { createRng } from '../../../src/rng.ts'
import { crossover, mutate, randomGenome, type Variation, vary } from '../../../src/strategies/evolution/variation.ts'
import { geneCoordinate } from '../../../src/strategies/unit-cube.ts'
import { mixed } from '../../problems/multi-objective.ts'
import { isInside, realDomain } from '../../problems/problem.ts'

const variation: Variation = {
  crossoverProbability: 0.9,
  crossoverIndex: 15,
  mutationProbability: 0.3,
  mutationIndex: 20,
}
const domainOf = (gene: Gene): Domain => ({ genes: [gene], initial: Float64Array.of(gene.initial) })
const integer = domainOf({ kind: 'integer', name: 'layer', low: 3, high: 9, initial: 4 })

describe('vary', () => {
  it('stays inside the bounds for every kind of gene, and leaves the parents alone', () => {
    const { domain } = mixed()
    const rng = createRng(1)
    for (let round = 0; round < 500; round++) {
      const [first, second] = [randomGenome(domain, rng), randomGenome(domain, rng)]
      const before = [first.slice(), second.slice()]
      for (const child of vary(domain, first, second, variation, rng)) expect(isInside(domain, child)).toBe(true)
      expect([first, second]).toEqual(before)
    }
  })

  it('holds a gene that does not matter at its declared start', () => {
    const { domain } = mixed()
    const rng = createRng(2)
    let inactive = 0
    for (let round = 0; round < 300; round++) {
      for (const child of vary(domain, randomGenome(domain, rng), randomGenome(domain, rng), variation, rng)) {
        if (child[0] !== 0) continue
        inactive++
        expect(child[4]).toBe(1)
      }
    }
    expect(inactive).toBeGreaterThan(50)
  })
})

describe('crossover', () => {
  it('keeps the sum of a gene far from its bounds', () => {
    const domain = realDomain(1, -1e6, 1e6)
    const rng = createRng(3)
    let moved = 0
    for (let round = 0; round < 200; round++) {
      const [a, b] = crossover(domain, Float64Array.of(-1), Float64Array.of(3), 15, rng)
      expect(a[0]! + b[0]!).toBeCloseTo(2, 6)
      if (Math.min(a[0]!, b[0]!) !== -1) moved++
    }
    // Each gene crosses over with probability 1/2.
    expect(moved).toBeGreaterThan(70)
    expect(moved).toBeLessThan(130)
  })

  it('spreads children by the published density: beta is below 1 in half of the cases', () => {
    const domain = realDomain(1, -1e9, 1e9)
    const rng = createRng(4)
    const betas: number[] = []
    while (betas.length < 4000) {
      const [a, b] = crossover(domain, Float64Array.of(-1), Float64Array.of(1), 2, rng)
      const beta = Math.abs(a[0]! - b[0]!) / 2
      if (beta !== 1) betas.push(beta)
    }
    // P(beta <= x) = x^3 / 2 below 1 and 1 - x^-3 / 2 above, for eta = 2.
    for (const [x, share] of [
      [0.5, 0.0625],
      [1, 0.5],
      [2, 0.9375],
    ] as const)
      expect(Math.abs(betas.filter(beta => beta <= x).length / betas.length - share)).toBeLessThan(0.03)
  })

  it('exchanges a categorical gene without inventing a choice', () => {
    const domain = domainOf({ kind: 'categorical', name: 'method', choices: ['a', 'b', 'c'], initial: 0 })
    const rng = createRng(5)
    for (let round = 0; round < 50; round++) {
      const [a, b] = crossover(domain, Float64Array.of(0), Float64Array.of(2), 15, rng)
      expect([a[0], b[0]].sort()).toEqual([0, 2])
    }
  })
})

describe('mutate', () => {
  it('changes an integer gene whenever it mutates one, also at the bounds', () => {
    const rng = createRng(6)
    for (const value of [3, 6, 9])
      for (let round = 0; round < 100; round++) {
        const genome = Float64Array.of(value)
        expect(mutate(integer, genome, 1, 20, rng)).toBe(true)
        expect(genome[0]).not.toBe(value)
        expect(isInside(integer, genome)).toBe(true)
      }
  })

  it('takes every other choice of a categorical gene alike', () => {
    const domain = domainOf({ kind: 'categorical', name: 'method', choices: ['a', 'b', 'c'], initial: 0 })
    const rng = createRng(7)
    const counts = [0, 0, 0]
    for (let round = 0; round < 1000; round++) {
      const genome = Float64Array.of(1)
      mutate(domain, genome, 1, 20, rng)
      counts[genome[0]!]!++
    }
    expect(counts[1]).toBe(0)
    expect(counts[0]).toBeGreaterThan(430)
    expect(counts[2]).toBeGreaterThan(430)
  })

  it('makes steps of the published size, on the axis a gene is searched on', () => {
    const domain = domainOf({ kind: 'real', name: 'rate', low: 1e-4, high: 1, scale: 'log', initial: 1e-2 })
    const rng = createRng(8)
    let sum = 0
    for (let round = 0; round < 4000; round++) {
      const genome = Float64Array.of(1e-2)
      mutate(domain, genome, 1, 20, rng)
      sum += Math.abs(geneCoordinate(domain.genes[0]!, genome[0]!) - 0.5)
    }
    // E|delta| = 1 - E r^(1 / (eta + 1)) = 1 / (eta + 2), the bounds being far away.
    expect(sum / 4000).toBeCloseTo(1 / 22, 2)
  })

  it('mutates the given share of genes', () => {
    const domain = realDomain(1000, 0, 1)
    const genome = domain.initial.slice()
    mutate(domain, genome, 0.2, 20, createRng(9))
    const changed = genome.filter((v, i) => v !== domain.initial[i]).length
    expect(Math.abs(changed - 200)).toBeLessThan(50)
  })
})
