import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { CmaEsRun, cmaEsConstants, defaultPopulationSize } from '../../../src/strategies/cma-es/cma-es-run.ts'
import { nextSample } from '../../../src/strategies/cma-es/orthogonal-sampling.ts'
import { SeparableRun, separableConstants } from '../../../src/strategies/cma-es/separable-run.ts'
import { ellipsoidal } from './quadratics.ts'

describe('separableConstants', () => {
  it('gives the values of pycma with CMA_diagonal for n = 20', () => {
    const k = separableConstants(20, 12, true)
    const { muEff } = k
    expect(k.c1).toBeCloseTo(1 / (20 + 2 * Math.sqrt(20) + muEff / 20), 12)
    expect(k.cMu).toBeCloseTo((0.25 + muEff + 1 / muEff - 2) / (20 + 4 * Math.sqrt(20) + muEff / 2), 12)
    expect(k.cC).toBeCloseTo((1.05 + muEff / 20) / (Math.sqrt(20) + 0.05 + muEff / 10), 12)
    expect(k.cSigma).toBe(cmaEsConstants(20, 12, true).cSigma)
  })

  it('keeps variances positive: without p_c a variance keeps a positive share, whatever was sampled', () => {
    for (const n of [1, 2, 10, 1000]) {
      for (const lambda of [4, 12, 300]) {
        const k = separableConstants(n, lambda, true)
        const negative = k.weights.reduce((sum, w) => sum - Math.min(0, w), 0)
        expect(1 - k.c1 - k.cMu * k.weightSum - k.cMu * negative * n).toBeGreaterThanOrEqual(-1e-12)
        expect(separableConstants(n, lambda, false).weights.every(w => w >= 0)).toBe(true)
      }
    }
  })
})

describe('SeparableRun', () => {
  it('makes the same first step as the full algorithm with the same constants, and the diagonal of its covariance', () => {
    const n = 6
    const constants = { ...separableConstants(n, 9, true), lazyGap: 0 }
    const rng = createRng(1)
    const mean = Float64Array.from({ length: n }, () => rng.normal())
    const full = new CmaEsRun(mean, 0.5, constants)
    const diagonal = new SeparableRun(mean, 0.5, constants)
    const zs = Array.from({ length: 9 }, () => nextSample('independent', rng, n, []))
    const spared = new Set([7])
    // The identity's eigenvectors are the axes in some order: compare points, not z.
    const points = zs.map(z => diagonal.point(z))
    full.update(
      points.map(x => full.coordinates(x)),
      spared,
    )
    diagonal.update(zs, spared)
    expect(diagonal.sigma).toBeCloseTo(full.sigma, 12)
    for (let i = 0; i < n; i++) {
      expect(diagonal.mean[i]).toBeCloseTo(full.mean[i]!, 12)
      expect(diagonal.deviation(i)).toBeCloseTo(full.deviation(i), 12)
      expect(diagonal.pathStep(i)).toBeCloseTo(full.pathStep(i), 12)
    }
  })

  it('learns 100 scales that differ by a factor of 1000, in a fraction of what the full matrix needs', () => {
    const n = 100
    const evaluations = solve(n)
    expect(evaluations).toBeLessThan(30_000) // the full matrix: about 250,000
  })

  it('limits single coordinates and finds z of a point', () => {
    const run = new SeparableRun(new Float64Array(2), 1, separableConstants(2, 6, true), Float64Array.of(4, 1))
    run.limitDeviations(Float64Array.of(1.5, 9))
    expect([run.deviation(0), run.deviation(1)]).toEqual([1.5, 1])
    expect([...run.coordinates(run.point(Float64Array.of(0.25, -2)))]).toEqual([0.25, -2])
    expect([...run.axis(0)]).toEqual([1.5, 0])
    expect(run.axisRange()).toEqual({ shortest: 1, longest: 1.5 })
    expect(() => run.update([])).toThrow('Expected 6 ranked samples, got 0.')
  })
})

/** Evaluations to 1e-8 on the ellipsoid. */
function solve(n: number): number {
  const loss = ellipsoidal(n)
  const lambda = defaultPopulationSize(n)
  const rng = createRng(3)
  const run = new SeparableRun(new Float64Array(n).fill(1), 1, separableConstants(n, lambda, true))
  for (let evaluations = 0; evaluations < 100_000; ) {
    const zs = Array.from({ length: lambda }, () => nextSample('independent', rng, n, []))
    const sampled = zs.map(z => ({ z, loss: loss(run.point(z)) })).sort((a, b) => a.loss - b.loss)
    evaluations += lambda
    if (sampled[0]!.loss < 1e-8) return evaluations
    run.update(sampled.map(({ z }) => z))
  }
  return Number.POSITIVE_INFINITY
}
