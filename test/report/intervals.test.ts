import { describe, expect, it } from 'vitest'
import { meanInterval, stratifiedInterval, studentQuantile, wilsonInterval } from '../../src/report/intervals.ts'
import { createRng } from '../../src/rng.ts'

describe('studentQuantile', () => {
  it.each([
    [1, 12.706205],
    [2, 4.302653],
    [3, 3.182446],
    [4, 2.776445],
    [5, 2.570582],
    [10, 2.228139],
    [30, 2.042272],
    [120, 1.97993],
    [1e9, 1.959964],
  ])('is the tabled 97.5 %% point for ν = %d', (nu, tabled) => {
    expect(Math.abs(studentQuantile(nu) / tabled - 1)).toBeLessThan(0.002)
  })

  it('falls as ν grows', () => {
    for (let nu = 1; nu < 40; nu += 0.25) expect(studentQuantile(nu + 0.25)).toBeLessThanOrEqual(studentQuantile(nu))
  })
})

describe('wilsonInterval', () => {
  // R. G. Newcombe, Statist. Med. 17, 1998, Table I, score method without continuity correction (the last by symmetry of 0/29).
  it.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
    [29, 29, 0.883, 1],
  ])('matches the published examples (%i of %i)', (successes, count, low, high) => {
    const interval = wilsonInterval(successes, count)
    expect(interval.low).toBeCloseTo(low, 4)
    expect(interval.high).toBeCloseTo(high, 4)
  })

  it('is symmetric under exchanging success and failure', () => {
    for (const k of [0, 1, 7, 20]) {
      const [a, b] = [wilsonInterval(k, 20), wilsonInterval(20 - k, 20)]
      expect(a.low).toBeCloseTo(1 - b.high, 12)
    }
  })
})

describe('meanInterval', () => {
  it('is mean ± t s/√n', () => {
    const interval = meanInterval([1, 2, 3, 4, 5])!
    expect(interval.low).toBeCloseTo(3 - 2.776445 * Math.sqrt(2.5 / 5), 2)
    expect(interval.high).toBeCloseTo(3 + 2.776445 * Math.sqrt(2.5 / 5), 2)
  })

  it('does not exist for one value', () => expect(meanInterval([1])).toBeUndefined())
})

describe('stratifiedInterval', () => {
  it('is the t interval for one stratum without pseudo-examples', () => {
    const values = Float64Array.of(0.3, -0.2, 0.9, 0.4, 0.1)
    const [a, b] = [stratifiedInterval([{ contributions: values }])!, meanInterval(values)!]
    expect(a.low).toBeCloseTo(b.low, 12)
    expect(a.high).toBeCloseTo(b.high, 12)
  })

  it('is the Bonett-Price interval for paired 0/1 scores', () => {
    // 100 pairs, 12 won, 4 lost: p̃ = 13/102, q̃ = 5/102.
    const contributions = new Float64Array(100).fill(1, 0, 12).fill(-1, 12, 16)
    const interval = stratifiedInterval([{ contributions, pseudo: { count: 2, mean: 0, variance: 1 } }])!
    const [p, q] = [13 / 102, 5 / 102]
    const half = Math.sqrt((p + q - (p - q) ** 2) / 102)
    expect((interval.low + interval.high) / 2).toBeCloseTo(p - q, 12)
    expect((interval.high - interval.low) / 2 / half).toBeCloseTo(studentQuantile(101), 10)
  })

  it('covers the difference of paired proportions in about 95 % of samples, also with few discordant pairs', () => {
    const random = createRng(11)
    for (const [win, lose] of [
      [0.1, 0.06],
      [0.02, 0.02],
    ] as const) {
      let covered = 0
      const samples = 1500
      for (let sample = 0; sample < samples; sample++) {
        const contributions = new Float64Array(150)
        for (let j = 0; j < 150; j++) {
          const u = random.uniform()
          contributions[j] = u < win ? 1 : u < win + lose ? -1 : 0
        }
        const { low, high } = stratifiedInterval([{ contributions, pseudo: { count: 2, mean: 0, variance: 1 } }])!
        if (low <= win - lose && win - lose <= high) covered++
      }
      expect(covered / samples).toBeGreaterThan(0.94)
      expect(covered / samples).toBeLessThan(0.995)
    }
  })

  it('covers a graded mean over two strata of unequal size and spread', () => {
    const random = createRng(12)
    let covered = 0
    const samples = 1500
    for (let sample = 0; sample < samples; sample++) {
      const strata = [
        { contributions: Float64Array.from({ length: 8 }, () => 0.5 * (0.2 + random.normal())) },
        { contributions: Float64Array.from({ length: 60 }, () => 0.5 * (0.6 + 3 * random.normal())) },
      ]
      const { low, high } = stratifiedInterval(strata)!
      if (low <= 0.4 && 0.4 <= high) covered++
    }
    expect(covered / samples).toBeGreaterThan(0.935)
    expect(covered / samples).toBeLessThan(0.97)
  })

  it('has positive width when nothing differs, provided scores are 0/1', () => {
    const contributions = new Float64Array(50)
    const interval = stratifiedInterval([{ contributions, pseudo: { count: 2, mean: 0, variance: 1 } }])!
    expect(interval.low).toBeLessThan(-0.02)
    expect(interval.high).toBeGreaterThan(0.02)
    expect(stratifiedInterval([{ contributions }])).toEqual({ low: 0, high: 0 })
  })
})
