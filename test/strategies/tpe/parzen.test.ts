import { describe, expect, it } from 'vitest'
import type { Domain, Gene, Genome } from '../../../src/candidate.ts'
import { normalCdf, normalPdf } from '../../../src/numerics/normal.ts'
import { createRng } from '../../../src/rng.ts'
import { conditionsOf } from '../../../src/strategies/activity.ts'
import { observedPoint, ParzenEstimator } from '../../../src/strategies/tpe/parzen.ts'
import { realDomain } from '../../problems/problem.ts'

function estimator(domain: Domain, genomes: readonly (readonly number[])[]): ParzenEstimator {
  const conditions = conditionsOf(domain)
  const observed = genomes.map(genome => observedPoint(domain, conditions, Float64Array.from(genome)))
  return new ParzenEstimator(domain, conditions, observed)
}

const density = (p: ParzenEstimator, domain: Domain, genome: readonly number[]): number => {
  const x = Float64Array.from(genome)
  return Math.exp(p.logDensity(x, conditionsOf(domain).activity(x)))
}

/** A choice, an integer for one of its values and another choice for the other two. */
const genes: readonly Gene[] = [
  { kind: 'integer', name: 'count', low: 2, high: 5, initial: 2, activeWhen: { gene: 'method', oneOf: [0] } },
  { kind: 'categorical', name: 'method', choices: ['a', 'b', 'c'], initial: 0 },
  {
    kind: 'categorical',
    name: 'mode',
    choices: [true, false],
    initial: 0,
    activeWhen: { gene: 'method', oneOf: [1, 2] },
  },
]
const conditional: Domain = { genes, initial: Float64Array.of(2, 0, 0) }
const all: readonly Genome[] = [2, 3, 4, 5]
  .map(count => Float64Array.of(count, 0, 0))
  .concat([1, 2].flatMap(method => [0, 1].map(mode => Float64Array.of(2, method, mode))))

describe('the density', () => {
  it('without observations is the broad normal of the prior', () => {
    const domain = realDomain(1, -4, 4)
    const mass = normalCdf(0.5) - normalCdf(-0.5)
    const p = estimator(domain, [])
    for (const u of [0, 0.3, 1]) expect(density(p, domain, [-4 + 8 * u])).toBeCloseTo(normalPdf(u - 0.5) / mass, 12)
  })

  it('of one observation is half its kernel, as wide as the farther bound is away, and half the prior', () => {
    const domain = realDomain(1, 0, 1)
    const truncated = (u: number, mean: number, s: number): number =>
      normalPdf((u - mean) / s) / s / (normalCdf((1 - mean) / s) - normalCdf(-mean / s))
    const p = estimator(domain, [[0.2]])
    for (const u of [0.1, 0.2, 0.9]) {
      expect(density(p, domain, [u])).toBeCloseTo(0.5 * truncated(u, 0.2, 0.8) + 0.5 * truncated(u, 0.5, 1), 12)
    }
  })

  it('is one over all genomes of a space with conditions, an inactive gene left out', () => {
    const p = estimator(conditional, [
      [4, 0, 0],
      [2, 1, 1],
      [5, 0, 0],
    ])
    expect(all.reduce((sum, genome) => sum + density(p, conditional, [...genome]), 0)).toBeCloseTo(1, 12)
  })

  it('is one over the square', () => {
    const domain = realDomain(2, 0, 1)
    const p = estimator(domain, [
      [0.1, 0.9],
      [0.5, 0.5],
      [0.52, 0.48],
    ])
    const n = 200
    let sum = 0
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) sum += density(p, domain, [(i + 0.5) / n, (j + 0.5) / n]) / (n * n)
    expect(sum).toBeCloseTo(1, 3)
  })

  it('is that of its samples', () => {
    const p = estimator(conditional, [
      [4, 0, 0],
      [2, 1, 1],
    ])
    const rng = createRng(4)
    const counts = new Map<string, number>()
    const draws = 20_000
    for (let i = 0; i < draws; i++) {
      const key = p.sample(rng).join()
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    expect(counts.size).toBe(all.length)
    for (const genome of all) {
      const expected = density(p, conditional, [...genome])
      const error = Math.sqrt((expected * (1 - expected)) / draws)
      expect(Math.abs(counts.get(genome.join())! / draws - expected)).toBeLessThan(5 * error)
    }
  })

  it('forgets: of many observations the oldest weigh least, the newest 25 all the same', () => {
    const domain: Domain = {
      genes: [{ kind: 'categorical', name: 'c', choices: Array.from({ length: 40 }, (_, i) => i), initial: 0 }],
      initial: Float64Array.of(0),
    }
    const p = estimator(
      domain,
      Array.from({ length: 40 }, (_, i) => [i]),
    )
    const at = Array.from({ length: 40 }, (_, i) => density(p, domain, [i]))
    for (let i = 1; i < 15; i++) expect(at[i]).toBeGreaterThan(at[i - 1]!)
    for (let i = 16; i < 40; i++) expect(at[i]).toBeCloseTo(at[15]!, 12)
  })
})
