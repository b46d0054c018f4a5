import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fairBinomial, signFlipTest } from '../../src/report/sign-flip.ts'
import { createRng } from '../../src/rng.ts'

const rng = () => createRng(1).split('test')

/** McNemar's exact test from the textbook: 2 Σ_{k ≤ min} C(n, k) / 2ⁿ. */
function mcNemar(wins: number, losses: number): number {
  const n = wins + losses
  let choose = 1n
  let tail = 0n
  for (let k = 0; k <= Math.min(wins, losses); k++) {
    tail += choose
    choose = (choose * BigInt(n - k)) / BigInt(k + 1)
  }
  return Math.min(1, 2 * Number((tail * 10n ** 18n) / 2n ** BigInt(n)) * 1e-18)
}

/** The definition, word by word. */
function bruteForce(differences: readonly number[]): number {
  const observed = Math.abs(differences.reduce((sum, d) => sum + d, 0))
  let hits = 0
  for (let signs = 0; signs < 2 ** differences.length; signs++) {
    const sum = differences.reduce((total, d, i) => total + ((signs >> i) & 1 ? d : -d), 0)
    if (Math.abs(sum) >= observed - 1e-9) hits++
  }
  return hits / 2 ** differences.length
}

function repeat(value: number, count: number): number[] {
  return new Array<number>(count).fill(value)
}

describe('signFlipTest', () => {
  it.each([
    [0, 1],
    [5, 0],
    [10, 2],
    [25, 9],
    [59, 121],
    [300, 220],
    [1000, 1000],
  ])('is McNemar exact on 0/1 scores of one task (%i wins, %i losses)', (wins, losses) => {
    const result = signFlipTest([...repeat(1, wins), ...repeat(0, 50), ...repeat(-1, losses)], rng())
    expect(result.method).toBe('exact')
    expect(result.p).toBeCloseTo(mcNemar(wins, losses), 10)
  })

  it('keeps relative precision far in the tail', () => {
    expect(signFlipTest(repeat(1, 200), rng()).p / 2 ** -199).toBeCloseTo(1, 9)
  })

  it('is the definition, on small inputs', () => {
    const small = fc.array(
      fc.integer({ min: -6, max: 6 }).map(k => k / 4),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(small, differences => {
        expect(signFlipTest(differences, rng()).p).toBeCloseTo(bruteForce(differences), 10)
      }),
      { numRuns: 200, seed: 3 },
    )
  })

  it('does not depend on which model is named first, on order, on scale, or on examples without a difference', () => {
    const list = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(list, differences => {
        const { p } = signFlipTest(differences, rng())
        expect(
          signFlipTest(
            differences.map(d => -d),
            rng(),
          ).p,
        ).toBeCloseTo(p, 9)
        expect(signFlipTest([...differences].reverse(), rng()).p).toBeCloseTo(p, 9)
        expect(
          signFlipTest(
            differences.map(d => d * 8),
            rng(),
          ).p,
        ).toBeCloseTo(p, 9)
        expect(signFlipTest([0, ...differences, 0, 0], rng()).p).toBeCloseTo(p, 9)
        expect(p).toBeGreaterThan(0)
        expect(p).toBeLessThanOrEqual(1)
      }),
      { numRuns: 60, seed: 4 },
    )
  })

  it('samples signs where there are too many outcomes, deterministically, and agrees with the normal limit', () => {
    const random = createRng(5)
    const differences = Array.from({ length: 1000 }, () => random.normal() + 0.05)
    const z = differences.reduce((s, d) => s + d, 0) / Math.sqrt(differences.reduce((s, d) => s + d * d, 0))
    const result = signFlipTest(differences, rng())
    expect(result.method).toBe('sampled')
    expect(result).toEqual(signFlipTest(differences, rng()))
    // Three standard errors of 9,999 draws.
    expect(Math.abs(result.p - normalP(z))).toBeLessThan(0.005)
  })

  it('never says p = 0 when it sampled', () => {
    const random = createRng(6)
    const differences = Array.from({ length: 500 }, () => 1 + random.uniform())
    expect(signFlipTest(differences, rng())).toEqual({ p: 1 / 10_000, method: 'sampled' })
  })

  it('enumerates three tasks of 100 discordant examples each, a million outcomes, and agrees with sampling', () => {
    const sizes = [1 / 300, 1 / 250, 1 / 210]
    const differences = sizes.flatMap(size => [...repeat(size, 60), ...repeat(-size, 40)])
    const exact = signFlipTest(differences, rng())
    expect(exact.method).toBe('exact')
    const random = createRng(7)
    const observed = differences.reduce((s, d) => s + d, 0)
    let hits = 0
    for (let draw = 0; draw < 20_000; draw++) {
      const sum = differences.reduce((s, d) => s + (random.uniform() < 0.5 ? d : -d), 0)
      if (Math.abs(sum) >= observed - 1e-12) hits++
    }
    expect(Math.abs(exact.p - hits / 20_000)).toBeLessThan(4 * Math.sqrt((exact.p + 1e-4) / 20_000))
  })

  it('has p = 1 when nothing differs or everything cancels', () => {
    expect(signFlipTest([], rng()).p).toBe(1)
    expect(signFlipTest([0, 0], rng()).p).toBe(1)
    expect(signFlipTest([0.1, 0.2, -0.3], rng()).p).toBe(1)
  })
})

describe('fairBinomial', () => {
  it('sums to one and matches small cases', () => {
    expect([...fairBinomial(0)]).toEqual([1])
    expect([...fairBinomial(3)]).toEqual([1 / 8, 3 / 8, 3 / 8, 1 / 8])
    expect(fairBinomial(5000).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12)
  })
})

/** Two-sided normal p by Simpson's rule: good to 1e-8 and independent of any library. */
function normalP(z: number): number {
  const steps = 2000
  const h = Math.abs(z) / steps
  let sum = 0
  for (let i = 0; i <= steps; i++) {
    sum += (i === 0 || i === steps ? 1 : i % 2 ? 4 : 2) * Math.exp(-((i * h) ** 2) / 2)
  }
  return 1 - (2 * (sum * h)) / 3 / Math.sqrt(2 * Math.PI)
}
