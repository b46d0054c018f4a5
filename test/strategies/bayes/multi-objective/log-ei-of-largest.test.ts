import { describe, expect, it } from 'vitest'
import { createRng } from '../../../../src/rng.ts'
import { Gp } from '../../../../src/strategies/bayes/gp.ts'
import { logExpectedImprovementOfLargest } from '../../../../src/strategies/bayes/multi-objective/log-ei-of-largest.ts'

const of = (...values: number[]): Float64Array => Float64Array.from(values)

describe('the improvement of the largest piece, as an acquisition', () => {
  const rng = createRng(2)
  const [n, d] = [14, 3]
  const shape = { numeric: d, categorical: 0 }
  const x = Float64Array.from({ length: n * d }, () => rng.uniform())
  const gps = [0, 1].map(j => {
    const gp = new Gp(shape, { lengthscales: of(0.5, 0.7, 0.9), outputscale: 1, mean: 0, noise: 1 })
    const targets = Float64Array.from({ length: n }, (_, i) => Math.sin(4 * x[i * d + j]!) + x[i * d + 2]!)
    gp.append(x, targets, new Float64Array(n).fill(1e-4))
    return gp
  })
  const pieces = [
    { offset: 0.1, slopes: [1.02, 0.02] },
    { offset: -0.2, slopes: [0.02, 1.5] },
  ]
  const acquisition = logExpectedImprovementOfLargest(gps, pieces, 0.2)

  it('has a gradient that its differences agree with', () => {
    const point = of(0.3, 0.6, 0.4)
    const gradient = new Float64Array(d)
    const value = acquisition.evaluate(point, gradient)
    for (let k = 0; k < d; k++) {
      const step = (by: number): number => acquisition.evaluate(point.map((v, i) => (i === k ? v + by : v)))
      expect(gradient[k]).toBeCloseTo((step(1e-5) - step(-1e-5)) / 2e-5, 3)
    }
    expect(acquisition.evaluateMany(point, 1)[0]).toBeCloseTo(value, 8)
  })
})
