import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exampleOrder } from '../../src/evaluation/example-order.ts'
import type { Objective } from '../../src/objective.ts'
import { asymptoticUpper } from '../../src/racing/asymptotic-sequence.ts'
import { empiricalBernsteinUpper } from '../../src/racing/empirical-bernstein.ts'
import { mcnemarLogEvidence } from '../../src/racing/mcnemar.ts'
import { isWorse } from '../../src/racing/paired-test.ts'
import { createRng, type Rng } from '../../src/rng.ts'

const ALPHA = 0.05
const ACCURACY: Objective = {
  name: 'a',
  direction: 'maximize',
  unit: 'accuracy, 0..1',
  reference: 0,
  perExample: { low: 0, high: 1 },
}

/** False alarms above this among n have a probability below 1 in 10,000 at a rate of `ALPHA` (normal bound of the binomial). */
const tooMany = (n: number): number => n * ALPHA + 3.72 * Math.sqrt(n * ALPHA * (1 - ALPHA))

describe('McNemar’s e-process', () => {
  it('has the values of its integral in closed form', () => {
    // ∫ over (½, 1): w = 1, l = 0 gives 2·2·(1 − ¼)/2; w = 0, l = 1 gives 2·2·(¼ − (1 − ¼)/2 + ¼).
    expect(Math.exp(mcnemarLogEvidence(0, 0))).toBeCloseTo(1, 14)
    expect(Math.exp(mcnemarLogEvidence(1, 0))).toBeCloseTo(1.5, 14)
    expect(Math.exp(mcnemarLogEvidence(0, 1))).toBeCloseTo(0.5, 14)
    expect(Math.exp(mcnemarLogEvidence(5, 0))).toBeCloseTo((2 ** 6 * (1 - 2 ** -6)) / 6, 12)
  })

  it('is the integral, computed another way', () => {
    fc.assert(
      fc.property(fc.nat(30), fc.nat(30), (w, l) => {
        const steps = 2000 // Simpson's rule
        let sum = 0
        for (let k = 0; k <= steps; k++) {
          const theta = 0.5 + k / steps / 2
          const weight = k === 0 || k === steps ? 1 : k % 2 === 1 ? 4 : 2
          sum += weight * (2 * theta) ** w * (2 * (1 - theta)) ** l
        }
        expect(mcnemarLogEvidence(w, l)).toBeCloseTo(Math.log((2 * sum) / (6 * steps)), 6)
      }),
      { numRuns: 50 },
    )
  })

  it('is a fair game: what it may become is worth what it is, at even odds', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(300), (w, l) => {
        const now = mcnemarLogEvidence(w, l)
        const worth = (Math.exp(mcnemarLogEvidence(w + 1, l) - now) + Math.exp(mcnemarLogEvidence(w, l + 1) - now)) / 2
        expect(worth).toBeCloseTo(1, 8)
      }),
    )
  })
})

describe('the empirical Bernstein sequence', () => {
  it('is exact once everything was drawn but what cannot change the mean', () => {
    const values = Float64Array.from({ length: 400 }, (_, i) => i % 2)
    expect(empiricalBernsteinUpper(values, 0, 1, 400, ALPHA)).toBeGreaterThanOrEqual(0.5)
    expect(empiricalBernsteinUpper(values, 0, 1, 400, ALPHA)).toBeLessThan(0.53)
  })

  it('moves with the scale of the values', () => {
    const rng = createRng(1)
    const values = Float64Array.from({ length: 50 }, () => rng.uniform())
    const upper = empiricalBernsteinUpper(values, 0, 1, 200, ALPHA)
    const moved = empiricalBernsteinUpper(
      values.map(x => 6 * x - 4),
      -4,
      2,
      200,
      ALPHA,
    )
    expect(moved).toBeCloseTo(6 * upper - 4, 10)
  })

  it('is tighter for a small population than for a large one', () => {
    const rng = createRng(2)
    const values = Float64Array.from({ length: 80 }, () => rng.uniform())
    expect(empiricalBernsteinUpper(values, 0, 1, 100, ALPHA)).toBeLessThan(
      empiricalBernsteinUpper(values, 0, 1, 1e6, ALPHA),
    )
  })

  it('holds at every time at once in all but a share alpha of populations', () => {
    const rng = createRng(3)
    const runs = 2000
    let misses = 0
    for (let run = 0; run < runs; run++) {
      const values = Float64Array.from({ length: 120 }, () => rng.uniform() ** 3)
      const mean = values.reduce((sum, x) => sum + x, 0) / values.length
      if (empiricalBernsteinUpper(values, 0, 1, 120, ALPHA) < mean - 1e-12) misses++
    }
    expect(misses).toBeLessThan(tooMany(runs))
  })
})

describe('the asymptotic sequence', () => {
  it('has the published half-width for one side', () => {
    // mean 0, sample deviation 1; ρ² = 1 makes t ρ² + 1 = t + 1.
    const values = Float64Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? 1 : -1) * Math.sqrt(99 / 100))
    const twice = -2 * Math.log(0.05)
    const at = twice + Math.log(twice) + 1
    expect(asymptoticUpper(values, 0.05, at)).toBeCloseTo(
      Math.sqrt(((2 * 101) / 1e4) * Math.log(1 + Math.sqrt(101) / 0.1)),
      12,
    )
  })
})

/** Scores of two models of equal worth on examples of three strata, which differ on a third of them. */
const equalPair = (rng: Rng, n: number, graded: 'no' | 'bounded' | 'unbounded') => {
  const strata = Int32Array.from({ length: n }, (_, i) => i % 3)
  const order = exampleOrder(strata, `order ${rng.integer(0, 1e9)}`)
  const draw = (): [number, number] => {
    if (graded === 'bounded') return [rng.uniform(), rng.uniform()]
    if (graded === 'unbounded') return [-Math.log(1 - rng.uniform()), -Math.log(1 - rng.uniform())]
    const score = rng.uniform() < 0.6 ? 1 : 0
    return rng.uniform() < 0.3 ? (rng.uniform() < 0.5 ? [1, 0] : [0, 1]) : [score, score]
  }
  const pairs = Array.from({ length: n }, draw)
  const list = (side: 0 | 1): Float32Array => Float32Array.from(order, i => pairs[i]![side])
  return [list(0), list(1)] as const
}

describe('a candidate as good as its rival', () => {
  it.each([
    ['0/1 scores', 'no', ACCURACY],
    ['bounded scores', 'bounded', ACCURACY],
    ['scores without limits', 'unbounded', { ...ACCURACY, perExample: {} }],
  ] as const)(
    'is found worse in at most a share alpha of cases, looked at again and again: %s',
    (_, graded, objective) => {
      const rng = createRng(4)
      const runs = 1000
      const n = 400
      let alarms = 0
      for (let run = 0; run < runs; run++) {
        const [a, b] = equalPair(rng, n, graded)
        for (const seen of [20, 40, 60, 90, 130, 200, 300]) {
          if (!isWorse(a.subarray(0, seen), b, objective, n, ALPHA)) continue
          alarms++
          break
        }
      }
      expect(alarms).toBeLessThan(tooMany(runs))
    },
  )

  it.each(['no', 'bounded'] as const)('is found out soon when it is much worse (%s)', graded => {
    const rng = createRng(5)
    const [a, b] = equalPair(rng, 400, graded)
    const worse = a.map((score, i) => (i % 2 === 0 ? 0 : score))
    expect(isWorse(worse.subarray(0, 200), b, ACCURACY, 400, ALPHA)).toBe(true)
    expect(isWorse(b.subarray(0, 200), worse, ACCURACY, 400, ALPHA)).toBe(false)
    const loss: Objective = { ...ACCURACY, direction: 'minimize' }
    expect(isWorse(b.subarray(0, 200), worse, loss, 400, ALPHA)).toBe(true)
  })
})
