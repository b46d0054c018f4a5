import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Domain, Gene, Genome } from '../../../src/candidate.ts'
import { createRng } from '../../../src/rng.ts'
import { Factorial, gridValue, isOnGrid } from '../../../src/strategies/sampling/factorial.ts'
import { grid } from '../../../src/strategies/sampling/grid.ts'
import type { GridOptions } from '../../../src/strategies/sampling/grid-options.ts'
import type { Strategy } from '../../../src/strategies/strategy.ts'
import { resetInactive } from '../../../src/strategies/unit-cube.ts'
import { thrownBy } from '../../helpers/thrown.ts'
import { mixed } from '../../problems/multi-objective.ts'
import { realDomain } from '../../problems/problem.ts'

function domainOf(genes: readonly Gene[]): Domain {
  return { genes, initial: Float64Array.from(genes, gene => gene.initial) }
}

function gridOf(domain: Domain, points: GridOptions['points'] = 'auto', budget?: number, seed = 1): Strategy {
  return grid.create({ domain, objectives: [], rng: createRng(seed), budget }, { points })
}

const genomesOf = (strategy: Strategy, count: number): Genome[] => strategy.ask(count).map(({ genome }) => genome)
const textOf = (genome: Genome): string => [...genome].join(' ')

const switches: readonly Gene[] = [
  { kind: 'categorical', name: 'method', choices: ['linear', 'ties', 'dare'], initial: 0 },
  { kind: 'integer', name: 'layer', low: 3, high: 5, initial: 4 },
  {
    kind: 'categorical',
    name: 'sign',
    choices: ['sum', 'vote'],
    initial: 1,
    activeWhen: { gene: 'method', oneOf: [1, 2] },
  },
  { kind: 'integer', name: 'trim', low: 0, high: 4, initial: 2, activeWhen: { gene: 'sign', oneOf: [1] } },
]

describe('grid search', () => {
  it('proposes every combination of conditional genes once, and then stops', () => {
    const strategy = gridOf(domainOf(switches), 1000)
    // linear: 1; ties and dare: sum, or vote with one of 5 trims. Times 3 layers.
    const size = 3 * (1 + 2 * (1 + 5))
    const genomes = genomesOf(strategy, 100)
    expect(genomes).toHaveLength(size)
    expect(new Set(genomes.map(textOf)).size).toBe(size)
    for (const genome of genomes) expect(genome).toEqual(resetInactive(domainOf(switches), genome.slice()))
    expect(strategy.stopReason()).toEqual({
      criterion: 'grid',
      detail: `all ${size} combinations of the search space are proposed`,
    })
  })

  it('refines until all whole numbers are there, each combination once', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 7 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }),
        (points, highs) => {
          const genes = highs.map((high, i): Gene => ({ kind: 'integer', name: `g${i}`, low: 0, high, initial: 0 }))
          const size = highs.reduce((product, high) => product * (high + 1), 1)
          const strategy = gridOf(domainOf(genes), points)
          const genomes = genomesOf(strategy, size + 10)
          expect(genomes).toHaveLength(size)
          expect(new Set(genomes.map(textOf)).size).toBe(size)
          // The coarse grid comes first, all of it.
          const coarse = highs.reduce((product, high) => product * Math.min(high + 1, points), 1)
          for (const genome of genomes.slice(0, coarse))
            expect(genes.every((gene, i) => isOnGrid(gene, genome[i]!, Math.min(highs[i]! + 1, points)))).toBe(true)
        },
      ),
    )
  })

  it('halves the spacing of real genes when a grid is complete, without proposing a point again', () => {
    const genomes = genomesOf(gridOf(realDomain(2, 0, 1), 3), 9 + 16 + 56)
    expect(new Set(genomes.map(textOf)).size).toBe(81)
    const on = (genome: Genome, steps: number): boolean => genome.every(v => Number.isInteger(v * steps))
    expect(genomes.findLastIndex(genome => on(genome, 2))).toBe(8)
    expect(genomes.findLastIndex(genome => on(genome, 4))).toBe(24)
    expect(genomes.every(genome => on(genome, 8))).toBe(true)
  })

  it('spaces the values of a logarithmic gene in the logarithm, both ends exact', () => {
    const gene: Gene = { kind: 'real', name: 'rate', low: 1e-4, high: 1, scale: 'log', initial: 0.1 }
    const values = genomesOf(gridOf(domainOf([gene]), 5), 5).map(genome => genome[0]!)
    values.sort((a, b) => a - b)
    expect([values[0], values[4]]).toEqual([1e-4, 1])
    for (const [i, value] of values.entries()) expect(Math.log10(value)).toBeCloseTo(i - 4, 12)
  })

  it('takes as many points as fit the budget', () => {
    const complete = (domain: Domain, budget: number): number =>
      Number(gridOf(domain, 'auto', budget).diagnostics().combinations)
    expect(complete(realDomain(2, 0, 1), 100)).toBe(100)
    expect(complete(realDomain(2, 0, 1), 120)).toBe(100)
    expect(complete(realDomain(3, 0, 1), 63)).toBe(27)
    expect(complete(realDomain(1, 0, 1), 300)).toBe(300)
    expect(complete(domainOf(switches), 39)).toBe(39)
    // Not even two each: the ends and the middle.
    expect(complete(realDomain(10, 0, 1), 100)).toBe(3 ** 10)
    expect(Number(gridOf(realDomain(2, 0, 1)).diagnostics().combinations)).toBe(9)
  })

  it('takes numbers of points by gene', () => {
    const strategy = gridOf(realDomain(3, 0, 1), { x0: 5, x2: 4 }, 60)
    expect(strategy.diagnostics().combinations).toBe('60')
    const columns = [0, 1, 2].map(
      i => new Set(genomesOf(gridOf(realDomain(3, 0, 1), { x0: 5, x2: 4 }, 60), 60).map(g => g[i]!)),
    )
    expect(columns.map(column => column.size)).toEqual([5, 3, 4])
  })

  it('refuses the name of a gene that is not there', () => {
    expect(thrownBy(() => gridOf(realDomain(3, 0, 1), { x7: 5 }))).toBe(
      'ConfigError: Strategy "grid": "points" names the gene "x7", which the space does not have.',
    )
  })

  it('is spread over the whole grid wherever it is stopped', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      // 3^8 = 6561 combinations, 81 of them: every value of every gene is tried in about a third, every pair of values in about a ninth.
      const genomes = genomesOf(gridOf(realDomain(8, 0, 1), 3, undefined, seed), 81)
      for (let i = 0; i < 8; i++) {
        for (const value of [0, 0.5, 1]) {
          const count = genomes.filter(genome => genome[i] === value).length
          expect(count).toBeGreaterThan(20)
          expect(count).toBeLessThan(34)
        }
      }
    }
  })

  it('counts grids beyond every float', () => {
    const strategy = gridOf(realDomain(500, 0, 1), 7)
    expect(strategy.diagnostics().combinations).toBe(String(7n ** 500n))
    const genomes = genomesOf(strategy, 50)
    expect(new Set(genomes.map(textOf)).size).toBe(50)
  })

  it('searches the mixed problem without a duplicate over several levels', () => {
    const genomes = genomesOf(gridOf(mixed().domain, 2), 3000)
    expect(new Set(genomes.map(textOf)).size).toBe(3000)
  })
})

describe('Factorial', () => {
  it('numbers its combinations one to one', () => {
    const domain = domainOf(switches)
    const factorial = new Factorial(domain, [3, 3, 2, 3])
    const texts = Array.from({ length: Number(factorial.size) }, (_, rank) =>
      textOf(factorial.genomeOf(factorial.combination(BigInt(rank)))),
    )
    expect(factorial.size).toBe(BigInt(3 * (1 + 2 * (1 + 3))))
    expect(new Set(texts).size).toBe(texts.length)
  })

  it('knows its own values', () => {
    const gene: Gene = { kind: 'integer', name: 'g', low: -3, high: 8, initial: 0 }
    for (let points = 2; points <= 12; points++) {
      const values = Array.from({ length: points }, (_, j) => gridValue(gene, j, points))
      expect(values.toSorted((a, b) => a - b)).toEqual([...new Set(values)])
      for (let v = -3; v <= 8; v++) expect(isOnGrid(gene, v, points)).toBe(values.includes(v))
    }
  })
})
