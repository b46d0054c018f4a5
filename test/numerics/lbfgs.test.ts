import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BoundedOptions, type BoundedProblem, minimizeBounded } from '../../src/numerics/lbfgs.ts'

const options: BoundedOptions = { maxIterations: 300, gradientTolerance: 1e-8, valueTolerance: 0, firstStep: 1 }

/** Σ c_i (x_i - t_i)² / 2: in a box the minimum is t clipped. */
function quadratic(c: readonly number[], t: readonly number[], low: number, high: number): BoundedProblem {
  return {
    low: new Float64Array(c.length).fill(low),
    high: new Float64Array(c.length).fill(high),
    evaluate: (x, gradient) => {
      let sum = 0
      for (let i = 0; i < x.length; i++) {
        const difference = x[i]! - t[i]!
        gradient[i] = c[i]! * difference
        sum += 0.5 * c[i]! * difference * difference
      }
      return sum
    },
  }
}

describe('projected L-BFGS', () => {
  it('finds the minimum of a quadratic in a box, bounds active or not', () => {
    const coordinate = fc.tuple(
      fc.double({ min: 0.1, max: 100, noNaN: true }),
      fc.double({ min: -2, max: 3, noNaN: true }),
    )
    fc.assert(
      fc.property(fc.array(coordinate, { minLength: 1, maxLength: 8 }), coordinates => {
        const targets = coordinates.map(([, t]) => t)
        const problem = quadratic(
          coordinates.map(([c]) => c),
          targets,
          0,
          1,
        )
        const end = minimizeBounded(problem, new Float64Array(targets.length).fill(0.3), options)
        for (const [i, t] of targets.entries()) expect(end.x[i]).toBeCloseTo(Math.min(1, Math.max(0, t)), 5)
      }),
      { seed: 4, numRuns: 60 },
    )
  })

  const rosenbrock = (high: number): BoundedProblem => ({
    low: Float64Array.of(-2, -2),
    high: Float64Array.of(high, 2),
    evaluate: (x, gradient) => {
      const valley = x[1]! - x[0]! ** 2
      gradient[0] = -400 * x[0]! * valley - 2 * (1 - x[0]!)
      gradient[1] = 200 * valley
      return 100 * valley ** 2 + (1 - x[0]!) ** 2
    },
  })

  it('follows the valley of Rosenbrock’s function, to its minimum and to the best point on a bound', () => {
    const free = minimizeBounded(rosenbrock(2), Float64Array.of(-1.2, 1), options)
    expect(free.x[0]).toBeCloseTo(1, 5)
    expect(free.x[1]).toBeCloseTo(1, 5)
    expect(free.evaluations).toBeLessThan(80)
    const held = minimizeBounded(rosenbrock(0.5), Float64Array.of(-1.2, 1), options)
    expect(held.x[0]).toBe(0.5)
    expect(held.x[1]).toBeCloseTo(0.25, 6)
  })

  it('never evaluates outside the box and never ends higher than it started', () => {
    const problem = rosenbrock(0.7)
    const inside: BoundedProblem = {
      ...problem,
      evaluate: (x, gradient) => {
        x.forEach((v, i) => {
          expect(v).toBeGreaterThanOrEqual(problem.low[i]!)
          expect(v).toBeLessThanOrEqual(problem.high[i]!)
        })
        return problem.evaluate(x, gradient)
      },
    }
    for (const start of [Float64Array.of(-2, -2), Float64Array.of(0.7, 2), Float64Array.of(0, 0)]) {
      const first = problem.evaluate(start, new Float64Array(2))
      expect(minimizeBounded(inside, start, { ...options, maxIterations: 3 }).value).toBeLessThanOrEqual(first)
    }
  })

  it('steps back from values that are not finite, and stays where it starts when that is one', () => {
    // log x: not a number beyond 0, where the first steps lead.
    const problem: BoundedProblem = {
      low: Float64Array.of(-10),
      high: Float64Array.of(10),
      evaluate: (x, gradient) => {
        gradient[0] = 1 - 0.1 / x[0]!
        return x[0]! - 0.1 * Math.log(x[0]!)
      },
    }
    expect(minimizeBounded(problem, Float64Array.of(5), { ...options, firstStep: 100 }).x[0]).toBeCloseTo(0.1, 5)
    const nowhere = minimizeBounded(problem, Float64Array.of(-3), options)
    expect(nowhere.x[0]).toBe(-3)
    expect(nowhere.value).toBeNaN()
  })
})
