import { describe, expect, it } from 'vitest'
import { solveLinear } from '../../src/numerics/linear-solve.ts'
import { fitRidge, PENALTIES, type RidgeProblem } from '../../src/numerics/ridge.ts'
import { createRng } from '../../src/rng.ts'

function problem(n: number, p: number, seed: number, noise = 0.3): RidgeProblem & { readonly p: number } {
  const rng = createRng(seed)
  const design = Float64Array.from({ length: n * p }, (_, i) => (1 + (i % p)) * rng.normal() + (i % p))
  const truth = Array.from({ length: p }, () => rng.normal())
  const response = Float64Array.from({ length: n }, (_, i) => {
    const row = design.subarray(i * p, (i + 1) * p)
    return 2 + row.reduce((sum, x, j) => sum + x * truth[j]!, 0) + noise * rng.normal()
  })
  return { design, response, weights: Float64Array.from({ length: n }, () => 0.2 + rng.uniform()), p }
}

/** The plain twin: the normal equations of the penalised criterion, intercept first, with penalties given per coefficient. */
function direct({ design, response, weights }: RidgeProblem, penalties: readonly number[], skip = -1) {
  const n = response.length
  const p = design.length / n
  const a = new Float64Array((p + 1) ** 2)
  const b = new Float64Array(p + 1)
  for (let i = 0; i < n; i++) {
    if (i === skip) continue
    const row = [1, ...design.subarray(i * p, (i + 1) * p)]
    for (let j = 0; j <= p; j++) {
      b[j]! += weights[i]! * row[j]! * response[i]!
      for (let k = 0; k <= p; k++) a[j * (p + 1) + k]! += weights[i]! * row[j]! * row[k]!
    }
  }
  for (let j = 0; j < p; j++) a[(j + 1) * (p + 2)]! += penalties[j]!
  return solveLinear(a, b)!
}

/** λ W s_j², the penalty on the square of coefficient j. */
function penaltiesOf({ design, weights }: RidgeProblem, lambda: number): number[] {
  const n = weights.length
  const p = design.length / n
  const total = weights.reduce((sum, w) => sum + w, 0)
  return Array.from({ length: p }, (_, j) => {
    const column = Array.from({ length: n }, (_, i) => design[i * p + j]!)
    const mean = column.reduce((sum, x, i) => sum + weights[i]! * x, 0) / total
    return lambda * column.reduce((sum, x, i) => sum + weights[i]! * (x - mean) ** 2, 0)
  })
}

describe('fitRidge', () => {
  it('agrees with the normal equations of the penalised criterion', () => {
    for (const lambda of [1e-8, 0.01, 3]) {
      const given = problem(30, 5, 1)
      const fit = fitRidge(given, [lambda])
      const twin = direct(given, penaltiesOf(given, lambda))
      expect(fit.intercept).toBeCloseTo(twin[0]!, 9)
      for (let j = 0; j < 5; j++) expect(fit.coefficients[j]).toBeCloseTo(twin[j + 1]!, 9)
    }
  })

  it('predicts each row left out as a fit without that row does', () => {
    const given = problem(25, 4, 2)
    for (const lambda of [1e-6, 0.5]) {
      const fit = fitRidge(given, [lambda])
      const penalties = penaltiesOf(given, lambda)
      for (let i = 0; i < 25; i++) {
        const twin = direct(given, penalties, i)
        const row = given.design.subarray(i * 4, (i + 1) * 4)
        const predicted = row.reduce((sum, x, j) => sum + x * twin[j + 1]!, twin[0]!)
        const residual = given.response[i]! - fit.fitted[i]!
        expect(residual / (1 - fit.leverages[i]!)).toBeCloseTo(given.response[i]! - predicted, 8)
      }
    }
  })

  it('chooses the penalty with the least generalised cross-validation score', () => {
    const given = problem(14, 8, 3, 4)
    const scores = PENALTIES.map(lambda => {
      const fit = fitRidge(given, [lambda])
      const trace = fit.leverages.reduce((sum, h) => sum + h, 0)
      const squares = fit.fitted.reduce((sum, f, i) => sum + given.weights[i]! * (given.response[i]! - f) ** 2, 0)
      expect(fit.gcv).toBeCloseTo((14 * squares) / (14 - trace) ** 2, 9)
      return fit.gcv
    })
    const best = fitRidge(given)
    expect(best.gcv).toBe(Math.min(...scores))
    expect(best.penalty).toBe(PENALTIES[scores.indexOf(best.gcv)])
    expect(best.penalty).toBeGreaterThan(1e-4) // noise asks for shrinkage
  })

  it('recovers a noiseless linear function', () => {
    const given = problem(12, 6, 4, 0)
    const fit = fitRidge(given)
    for (let i = 0; i < 12; i++) expect(fit.fitted[i]).toBeCloseTo(given.response[i]!, 7)
  })

  it('gives constant columns no weight, and only the mean without columns', () => {
    const constant = {
      design: new Float64Array(6).fill(3),
      response: Float64Array.of(1, 2, 3, 4, 5, 9),
      weights: new Float64Array(6).fill(1),
    }
    expect(fitRidge(constant).coefficients).toEqual(new Float64Array(1))
    expect(fitRidge(constant).intercept).toBeCloseTo(4, 12)
    expect(fitRidge({ ...constant, design: new Float64Array(0) }).intercept).toBeCloseTo(4, 12)
  })

  it('knows the variance of a prediction: at a row it is the leverage over the weight', () => {
    const given = problem(20, 3, 5)
    const fit = fitRidge(given, [0.1])
    for (let i = 0; i < 20; i++) {
      const row = given.design.subarray(i * 3, (i + 1) * 3)
      expect(fit.variance(row)).toBeCloseTo(fit.leverages[i]! / given.weights[i]!, 10)
    }
    expect(fit.variance([100, 100, 100])).toBeGreaterThan(fit.variance([0, 1, 2]))
  })

  it('refuses shapes that disagree', () => {
    const given = problem(5, 2, 1)
    expect(() => fitRidge({ ...given, weights: new Float64Array(4) })).toThrow(
      'Expected one weight and one row per response, got 5 responses and 4 weights.',
    )
    expect(() => fitRidge(given, [])).toThrow('Expected at least one penalty, got none.')
  })
})
