import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { differentialEvolution } from '../../../src/strategies/evolution/differential-evolution.ts'
import { differentialTrial } from '../../../src/strategies/evolution/differential-variation.ts'
import {
  FIRST_SUCCESS_MEMORY,
  rememberSuccesses,
  sampleParameters,
} from '../../../src/strategies/evolution/success-memory.ts'
import type { ToldTrial } from '../../../src/strategies/strategy.ts'
import { candidateOf, minimize, realDomain, scored, type TestProblem } from '../../problems/problem.ts'

/** Rastrigin's function: a bowl with a local optimum at every integer point. */
function rastrigin(d: number): TestProblem {
  const domain = realDomain(d, -5, 5, new Float64Array(d).fill(3.3))
  return {
    name: `Rastrigin, d = ${d}`,
    domain,
    objectives: [minimize('rastrigin', 100, 0)],
    optimizer: new Float64Array(d),
    optimum: [0],
    evaluate: x => [x.reduce((sum, v) => sum + v * v - 10 * Math.cos(2 * Math.PI * v) + 10, 0)],
  }
}

describe('de', () => {
  it('finds the best of 100,000 local optima', () => {
    const problem = rastrigin(5)
    for (const seed of [1, 2, 3]) {
      const budget = 10_000
      const strategy = differentialEvolution.create(
        { ...problem, rng: createRng(seed), budget },
        differentialEvolution.options.parse({}),
      )
      let best = Infinity
      for (let id = 0; id < budget; id++) {
        const trials: ToldTrial[] = strategy.ask(1).map(proposal => scored(problem, candidateOf(proposal, id)))
        best = Math.min(best, trials[0]!.losses![0]!)
        strategy.tell(trials)
      }
      expect(best).toBeLessThan(1e-6)
      expect(strategy.diagnostics().populationSize).toBeLessThan(10) // shrunk with the budget
    }
  })

  it('has a population that a small budget can pay', () => {
    const problem = rastrigin(5)
    const first = (budget: number | undefined): number =>
      differentialEvolution
        .create({ ...problem, rng: createRng(1), budget }, differentialEvolution.options.parse({}))
        .ask(1000).length
    expect(first(undefined)).toBe(90)
    expect(first(600)).toBe(30)
    expect(first(20)).toBe(8)
  })
})

describe('differentialTrial', () => {
  it('is the published donor where every gene crosses over', () => {
    const domain = realDomain(2, -10, 10)
    const genomes = {
      target: Float64Array.of(1, 2),
      best: Float64Array.of(3, 2),
      plus: Float64Array.of(0, 5),
      minus: Float64Array.of(1, 1),
    }
    const trial = differentialTrial(domain, genomes, 0.5, 1, createRng(1))
    expect([...trial]).toEqual([1.5, 4].map(v => expect.closeTo(v, 12)))
    expect([...genomes.target]).toEqual([1, 2])
  })

  it('takes one gene from the donor in any case, and goes halfway to a bound instead of beyond', () => {
    const domain = realDomain(3, 0, 8)
    const genomes = {
      target: new Float64Array(3).fill(4),
      best: new Float64Array(3).fill(4),
      plus: new Float64Array(3).fill(8),
      minus: new Float64Array(3).fill(0),
    }
    const trial = differentialTrial(domain, genomes, 1, 0, createRng(2))
    expect([...trial].sort()).toEqual([4, 4, 6])
  })
})

describe('the success memory', () => {
  it('moves one entry to the weighted Lehmer mean of what succeeded', () => {
    const memory = rememberSuccesses(FIRST_SUCCESS_MEMORY, [
      { scale: 1, rate: 0.2, gain: 1 },
      { scale: 0.5, rate: 0.6, gain: 3 },
    ])
    expect(memory.scales[0]).toBeCloseTo((1 + 0.75) / (1 + 1.5), 12)
    expect(memory.rates[0]).toBeCloseTo((0.04 + 1.08) / (0.2 + 1.8), 12)
    expect(memory.scales.slice(1)).toEqual([0.5, 0.5, 0.5, 0.5, 0.5])
    expect(memory.next).toBe(1)
    expect(rememberSuccesses(memory, [])).toBe(memory)
  })

  it('fixes a rate at 0 for good once only 0 succeeded', () => {
    let memory = rememberSuccesses(FIRST_SUCCESS_MEMORY, [{ scale: 0.5, rate: 0, gain: 1 }])
    expect(memory.rates[0]).toBeNull()
    for (let i = 0; i < 6; i++) memory = rememberSuccesses(memory, [{ scale: 0.5, rate: 0.7, gain: 1 }])
    expect(memory.rates).toEqual([null, ...[1, 2, 3, 4, 5].map(() => expect.closeTo(0.7, 12))])
    const rng = createRng(1)
    for (let i = 0; i < 200; i++) {
      const { scale, rate } = sampleParameters(memory, rng)
      expect(scale > 0 && scale <= 1 && rate >= 0 && rate <= 1).toBe(true)
    }
  })
})
