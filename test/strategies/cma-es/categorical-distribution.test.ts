import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { CategoricalDistribution } from '../../../src/strategies/cma-es/categorical-distribution.ts'
import { discreteMargin } from '../../../src/strategies/cma-es/integer-margin.ts'

const weights = [0.6, 0.4]

describe('CategoricalDistribution', () => {
  it('starts uniform and samples as it says', () => {
    const distribution = new CategoricalDistribution([4], 1, [Float64Array.of(0.4, 0.3, 0.2, 0.1)])
    expect(new CategoricalDistribution([4], 1).probabilities(0)).toEqual(new Float64Array(4).fill(0.25))
    const rng = createRng(1)
    const counts = [0, 0, 0, 0]
    for (let i = 0; i < 20_000; i++) counts[distribution.sample(rng)[0]!]!++
    for (const [k, p] of [0.4, 0.3, 0.2, 0.1].entries()) expect(counts[k]! / 20_000).toBeCloseTo(p, 1)
    expect(distribution.mode()).toEqual([0])
  })

  it('takes a natural gradient step of Fisher length 1 first', () => {
    // One binary gene, q = (1/2, 1/2), both best samples chose 0: the gradient (1/2, -1/2) has Fisher length 1, and the step ends at (1, 0),
    // which the margin takes back.
    const distribution = new CategoricalDistribution([2], 1)
    distribution.update([[0], [0]], weights)
    expect(distribution.probabilities(0)[1]).toBeCloseTo(discreteMargin(1), 8)
  })

  it('goes on as worked out by hand', () => {
    // Ten binary genes: the first step has length 1 over sqrt(10) directions. The gradient in gene 0 is 0.6 (1, 0) + 0.4 (0, 1) - q = (0.1, -0.1),
    // Fisher length 0.1 / sqrt(1/4) = 0.2; the others (0.5, -0.5), length 1: together sqrt(0.04 + 9).
    const distribution = new CategoricalDistribution(new Array<number>(10).fill(2), 10)
    distribution.update([new Array<number>(10).fill(0), [1, ...new Array<number>(9).fill(0)]], weights)
    const step = 1 / Math.sqrt(9.04)
    expect(distribution.probabilities(0)[0]).toBeCloseTo(0.5 + 0.1 * step, 7)
    expect(distribution.probabilities(5)[0]).toBeCloseTo(0.5 + 0.5 * step, 7)
    // Δ has been multiplied by exp(β (γ - |s|²/1.5)) with β = 1/sqrt(10), γ = |s|² = β (2 - β).
    const beta = 1 / Math.sqrt(10)
    const gamma = beta * (2 - beta)
    expect(distribution.snapshot().slowness).toBeCloseTo(Math.exp(beta * (gamma - gamma / 1.5)), 12)
  })

  it('keeps a least probability for every choice, and probabilities that sum to 1', () => {
    const distribution = new CategoricalDistribution([3, 5], 4)
    for (let i = 0; i < 100; i++) distribution.update([[2, 0]], [1])
    for (const [gene, count] of [3, 5].entries()) {
      const q = distribution.probabilities(gene)
      expect(q.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12)
      expect(Math.min(...q)).toBeCloseTo(discreteMargin(4) / (count - 1), 9)
    }
    expect(distribution.mode()).toEqual([2, 0])
  })

  it('does not move when the best samples are distributed as it says', () => {
    const distribution = new CategoricalDistribution([2], 1)
    const before = distribution.snapshot()
    distribution.update([[0], [1]], [0.5, 0.5])
    expect(distribution.snapshot()).toEqual(before)
  })

  it('finds the best of 3^20 combinations', () => {
    const distribution = new CategoricalDistribution(new Array<number>(20).fill(3), 20)
    const rng = createRng(3)
    const wrong = (choices: readonly number[]): number => choices.filter((k, i) => k !== i % 3).length
    let best = 20
    for (let generation = 0; generation < 120 && best > 0; generation++) {
      const samples = Array.from({ length: 12 }, () => distribution.sample(rng)).sort((a, b) => wrong(a) - wrong(b))
      best = Math.min(best, wrong(samples[0]!))
      distribution.update(samples.slice(0, 6), [0.4, 0.25, 0.16, 0.1, 0.06, 0.03])
    }
    expect(best).toBe(0)
  })
})
