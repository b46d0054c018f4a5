import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { logExpectedImprovement } from '../../../src/strategies/bayes/acquisition.ts'
import { Gp } from '../../../src/strategies/bayes/gp.ts'
import { noisyLogExpectedImprovement } from '../../../src/strategies/bayes/noisy-log-ei.ts'

/** Ten noisy observations of a wave on [0, 1]. */
function wave(noise: number): Gp {
  const gp = new Gp(
    { numeric: 1, categorical: 0 },
    { lengthscales: Float64Array.of(0.3), outputscale: 1.2, mean: 0.1, noise },
  )
  const rng = createRng(2)
  for (let i = 0; i < 10; i++) {
    const x = (i + 0.5) / 10
    gp.append(Float64Array.of(x), [Math.sin(7 * x) + Math.sqrt(noise) * rng.normal()], [1])
  }
  return gp
}

const POINTS = [0.03, 0.41, 0.68, 0.97].map(x => Float64Array.of(x))

describe('noisy expected improvement', () => {
  it('is the plain one where there is no noise', () => {
    const gp = wave(1e-9)
    const noisy = noisyLogExpectedImprovement(gp, 4, createRng(1))
    const plain = logExpectedImprovement(gp, Math.min(...gp.fittedMeans()))
    for (const x of [0.63, 0.68, 0.71].map(v => Float64Array.of(v))) {
      expect(noisy.evaluate(x)).toBeCloseTo(plain.evaluate(x), 1)
    }
  })

  it('agrees with the improvement counted over joint draws of the truth', () => {
    const gp = wave(0.09)
    const x = Float64Array.of(0.72)
    const noisy = Math.exp(noisyLogExpectedImprovement(gp, 4000, createRng(1)).evaluate(x))
    // Draws at the observations and at x together, from their posterior covariance.
    const inputs = Float64Array.from([...gp.inputs(), ...x])
    const covariance = gp.jointCovariance(inputs, 11)
    const means = [...gp.fittedMeans(), gp.predict(x).mean]
    const factor = cholesky(covariance, 11)
    const rng = createRng(3)
    const draws = 40_000
    let sum = 0
    for (let s = 0; s < draws; s++) {
      const z = Array.from({ length: 11 }, () => rng.normal())
      const f = means.map((m, i) => factor[i]!.reduce((total, l, k) => total + l * z[k]!, m))
      sum += Math.max(0, Math.min(...f.slice(0, 10)) - f[10]!)
    }
    expect(noisy / (sum / draws)).toBeGreaterThan(0.93)
    expect(noisy / (sum / draws)).toBeLessThan(1.07)
  })

  it('has a gradient that agrees with differences', () => {
    const noisy = noisyLogExpectedImprovement(wave(0.09), 16, createRng(4))
    for (const x of POINTS) {
      const gradient = new Float64Array(1)
      noisy.evaluate(x, gradient)
      const step = 1e-5
      const up = noisy.evaluate(Float64Array.of(x[0]! + step))
      const down = noisy.evaluate(Float64Array.of(x[0]! - step))
      const expected = (up - down) / (2 * step)
      expect(Math.abs(gradient[0]! - expected)).toBeLessThan(1e-4 * Math.max(1, Math.abs(expected)))
    }
  })

  it('values many points as it values one', () => {
    const noisy = noisyLogExpectedImprovement(wave(0.09), 16, createRng(4))
    const values = noisy.evaluateMany(Float64Array.from(POINTS.map(x => x[0]!)), POINTS.length)
    expect([...values]).toEqual(POINTS.map(x => noisy.evaluate(x)))
  })
})

/** Rows of the Cholesky factor of packed rows, with a little on the diagonal. */
function cholesky(packed: Float64Array, n: number): number[][] {
  const l: number[][] = []
  for (let i = 0; i < n; i++) {
    l.push([])
    for (let j = 0; j <= i; j++) {
      let sum = packed[(i * (i + 1)) / 2 + j]! + (i === j ? 1e-9 : 0)
      for (let k = 0; k < j; k++) sum -= l[i]![k]! * l[j]![k]!
      l[i]!.push(i === j ? Math.sqrt(sum) : sum / l[j]![j]!)
    }
  }
  return l
}
