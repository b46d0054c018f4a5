import { describe, expect, it } from 'vitest'
import { fitRidge } from '../../src/numerics/ridge.ts'
import { fitLinkedRidge } from '../../src/numerics/ridge-irls.ts'
import { createRng } from '../../src/rng.ts'
import { FAMILIES } from '../../src/strategies/map/links.ts'

const LEAST = [1e-10]

function design(n: number, p: number, seed: number): Float64Array {
  const rng = createRng(seed)
  return Float64Array.from({ length: n * p }, () => rng.normal())
}

function linear(x: Float64Array, intercept: number, b: readonly number[]): Float64Array {
  const p = b.length
  return Float64Array.from({ length: x.length / p }, (_, i) =>
    b.reduce((sum, v, j) => sum + v * x[i * p + j]!, intercept),
  )
}

describe('fitLinkedRidge', () => {
  it('recovers the predictor behind each link from noiseless values', () => {
    const x = design(20, 3, 1)
    const truth = linear(x, 0.3, [1, -2, 0.5])
    for (const link of ['sigmoid', 'softplus', 'identity'] as const) {
      const family = FAMILIES[link]
      const fit = fitLinkedRidge(
        x,
        truth.map(eta => family.mean(eta)),
        new Float64Array(20).fill(100),
        family,
      )
      expect(fit.intercept).toBeCloseTo(0.3, 5)
      for (const [j, b] of [1, -2, 0.5].entries()) expect(fit.coefficients[j]).toBeCloseTo(b, 5)
    }
  })

  it('is plain ridge regression for the identity', () => {
    const x = design(15, 2, 2)
    const y = Float64Array.from(linear(x, 1, [2, 3]), (v, i) => v + Math.sin(7 * i))
    const weights = Float64Array.from({ length: 15 }, (_, i) => 1 + (i % 3))
    const plain = fitRidge({ design: x, response: y, weights })
    const fit = fitLinkedRidge(x, y, weights, FAMILIES.identity)
    expect([...fit.coefficients]).toEqual([...plain.coefficients])
    for (let i = 0; i < 15; i++) {
      const residual = y[i]! - plain.fitted[i]!
      expect(fit.leftOut[i]).toBeCloseTo(y[i]! - residual / (1 - plain.leverages[i]!), 10)
    }
  })

  it('solves the score equations of logistic regression', () => {
    const rng = createRng(3)
    const x = design(40, 2, 3)
    const counts = Float64Array.from({ length: 40 }, () => 20 + rng.integer(0, 50))
    const shares = linear(x, -0.5, [1, 1]).map((eta, i) => {
      const p = FAMILIES.sigmoid.mean(eta)
      let right = 0
      for (let e = 0; e < counts[i]!; e++) if (rng.uniform() < p) right++
      return right / counts[i]!
    })
    const fit = fitLinkedRidge(x, shares, counts, FAMILIES.sigmoid, LEAST)
    for (const column of [undefined, 0, 1]) {
      const score = shares.reduce((sum, y, i) => {
        const factor = column === undefined ? 1 : x[i * 2 + column]!
        return sum + counts[i]! * factor * (y - FAMILIES.sigmoid.mean(fit.eta[i]!))
      }, 0)
      expect(Math.abs(score)).toBeLessThan(1e-4)
    }
  })

  it('predicts rows left out nearly as refits without them do', () => {
    const rng = createRng(4)
    const n = 30
    const x = design(n, 2, 5)
    const y = linear(x, 0.5, [1, -1]).map(eta =>
      Math.min(1, Math.max(0, FAMILIES.sigmoid.mean(eta) + 0.03 * rng.normal())),
    )
    const weights = new Float64Array(n).fill(200)
    const fit = fitLinkedRidge(x, y, weights, FAMILIES.sigmoid, LEAST)
    for (let i = 0; i < n; i++) {
      const keep = (values: Float64Array, width: number) => values.filter((_, k) => Math.floor(k / width) !== i)
      const without = fitLinkedRidge(keep(x, 2), keep(y, 1), keep(weights, 1), FAMILIES.sigmoid, LEAST)
      const predicted =
        without.intercept + without.coefficients[0]! * x[2 * i]! + without.coefficients[1]! * x[2 * i + 1]!
      expect(Math.abs(fit.leftOut[i]! - predicted)).toBeLessThan(0.05 + 0.05 * Math.abs(predicted - fit.eta[i]!))
    }
  })

  it('stays finite for values at the ends of the range', () => {
    const x = design(12, 2, 6)
    const y = Float64Array.from({ length: 12 }, (_, i) => (x[2 * i]! > 0 ? 1 : 0)) // separable: the likelihood has no maximum
    const fit = fitLinkedRidge(x, y, new Float64Array(12).fill(50), FAMILIES.sigmoid)
    for (const value of [fit.intercept, ...fit.coefficients, ...fit.leftOut]) expect(Number.isFinite(value)).toBe(true)
    const zeros = fitLinkedRidge(x, new Float64Array(12).fill(0), new Float64Array(12).fill(1), FAMILIES.softplus)
    expect(FAMILIES.softplus.mean(zeros.intercept)).toBeLessThan(0.01)
  })
})
