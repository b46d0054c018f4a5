import { describe, expect, it } from 'vitest'
import { LargestOfGaussians } from '../../src/numerics/largest-of-gaussians.ts'
import { logH, normalLogCdf } from '../../src/numerics/normal.ts'
import { createRng } from '../../src/rng.ts'

const of = (...values: number[]): Float64Array => Float64Array.from(values)

function logEi(locations: Float64Array, scales: Float64Array, best: number): number {
  return new LargestOfGaussians(locations.length).logExpectedImprovement(locations, scales, best, false)
}

/** By the trapezoidal rule; the integrand's logarithm at `best` taken out. */
function densely(locations: Float64Array, scales: Float64Array, best: number, from: number): number {
  const log = (t: number): number =>
    locations.reduce((sum, location, i) => sum + normalLogCdf((t - location) / scales[i]!), 0)
  const points = 2000
  const step = (best - from) / points
  let sum = 0
  for (let q = 0; q <= points; q++) {
    sum += (q === 0 || q === points ? 0.5 : 1) * Math.exp(log(from + q * step) - log(best))
  }
  return log(best) + Math.log(sum * step)
}

describe('the expected improvement of the largest of several Gaussians', () => {
  it('is the closed form where there is one', () => {
    for (const scale of [1e-3, 1, 50]) {
      for (const u of [-300, -38, -9, -3, -1, 0, 0.5, 2, 6, 12]) {
        expect(logEi(of(2 - u * scale), of(scale), 2)).toBeCloseTo(logH(u) + Math.log(scale), 6)
      }
    }
  })

  it('is that of the largest where the others are far below', () => {
    expect(logEi(of(0.3, -20, -30), of(0.5, 0.4, 1), 0.1)).toBeCloseTo(logEi(of(0.3), of(0.5), 0.1), 6)
  })

  it('agrees with a dense sum', () => {
    const rng = createRng(3)
    for (let round = 0; round < 40; round++) {
      const k = 1 + (round % 4)
      const locations = Float64Array.from({ length: k }, () => 4 * rng.uniform() - 2)
      const scales = Float64Array.from({ length: k }, () => 10 ** (-1.2 * rng.uniform()))
      const best = Math.max(...locations.map((location, i) => location + (6 * rng.uniform() - 4) * scales[i]!))
      const from = Math.max(...locations.map((location, i) => location - 12 * scales[i]!))
      expect(logEi(locations, scales, best)).toBeCloseTo(densely(locations, scales, best, from), 3)
    }
  })

  it('agrees with draws', () => {
    const rng = createRng(5)
    const [locations, scales, best] = [of(0.2, 0.1, -0.3), of(0.5, 0.7, 0.4), 0.4]
    const gains = Array.from({ length: 40_000 }, () =>
      Math.max(0, best - Math.max(...locations.map((location, i) => location + scales[i]! * rng.normal()))),
    )
    const mean = gains.reduce((sum, gain) => sum + gain, 0) / gains.length
    expect(Math.exp(logEi(locations, scales, best))).toBeCloseTo(mean, 2)
  })

  it('grows with what there is to improve on, and falls with every mean', () => {
    const base = logEi(of(0, 0.5), of(1, 0.3), 0)
    expect(logEi(of(0, 0.5), of(1, 0.3), 0.1)).toBeGreaterThan(base)
    expect(logEi(of(0.1, 0.5), of(1, 0.3), 0)).toBeLessThan(base)
    expect(logEi(of(0, 0.6), of(1, 0.3), 0)).toBeLessThan(base)
  })

  it('has the slopes of its differences', () => {
    const rng = createRng(8)
    for (let round = 0; round < 30; round++) {
      const locations = Float64Array.from({ length: 3 }, () => 3 * rng.uniform() - 1)
      const scales = Float64Array.from({ length: 3 }, () => 0.2 + rng.uniform())
      const best = rng.uniform() - 0.5
      const integral = new LargestOfGaussians(3)
      integral.logExpectedImprovement(locations, scales, best, true)
      for (let i = 0; i < 3; i++) {
        const shifted = (array: Float64Array, by: number): Float64Array => array.map((v, k) => (k === i ? v + by : v))
        const slope = (plus: number, minus: number): number => (plus - minus) / 2e-5
        const byLocation = slope(
          logEi(shifted(locations, 1e-5), scales, best),
          logEi(shifted(locations, -1e-5), scales, best),
        )
        const byScale = slope(
          logEi(locations, shifted(scales, 1e-5), best),
          logEi(locations, shifted(scales, -1e-5), best),
        )
        expect(integral.byLocation[i]).toBeCloseTo(byLocation, 3)
        expect(integral.byScale[i]).toBeCloseTo(byScale, 3)
      }
    }
  })
})
