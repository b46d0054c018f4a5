import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { decodeFloat64 } from '../../../src/numerics/float-codec.ts'
import { createRng } from '../../../src/rng.ts'
import { CmaEsRun, cmaEsConstants, defaultPopulationSize } from '../../../src/strategies/cma-es/cma-es-run.ts'
import { nextSample } from '../../../src/strategies/cma-es/orthogonal-sampling.ts'
import { ellipsoid, rosenbrock, sphere } from '../../problems/single-objective.ts'
import { cmaesConstants, fixtureNumbers } from './reference.ts'

/** States of another implementation, see generate.py and generate-pycma.py beside the fixtures. */
function fixture(name: string): Map<number, { mean: number[]; sigma: number; covariance: number[][] }> {
  const file = new URL(`../../fixtures/cma-es/${name}.json`, import.meta.url)
  const { states } = fixtureSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
  return new Map(states.map(state => [state.generation, state]))
}

const fixtureSchema = z.object({
  states: z.array(
    z.object({
      generation: z.number(),
      mean: z.array(z.number()),
      sigma: z.number(),
      covariance: z.array(z.array(z.number())),
    }),
  ),
})

describe('cmaEsConstants', () => {
  it('gives the published values for n = 10, λ = 10', () => {
    const k = cmaEsConstants(10, 10, true)
    expect(k.parents).toBe(5)
    expect([...k.weights.subarray(0, 5)].map(w => Number(w.toFixed(4)))).toEqual([
      0.4563, 0.2708, 0.1622, 0.0852, 0.0255,
    ])
    expect(k.muEff).toBeCloseTo(3.1673, 4)
    expect(k.cSigma).toBeCloseTo(5.1673 / 16.1673, 4)
    expect(k.chiN).toBeCloseTo(3.0847, 3)
  })

  it('lets the learning rates leave room for each other, from one gene to hundreds, for any population', () => {
    for (const n of [1, 2, 5, 40, 300]) {
      for (const lambda of [4, 5, 20, 1000]) {
        const k = cmaEsConstants(n, lambda, true)
        expect(k.weights.subarray(0, k.parents).reduce((sum, w) => sum + w, 0)).toBeCloseTo(1, 12)
        expect(k.c1 + k.cMu).toBeLessThanOrEqual(1)
        expect(k.cMu).toBeGreaterThanOrEqual(0)
        // Without p_c the covariance must keep a positive share of itself, whatever was sampled.
        const negative = k.weights.reduce((sum, w) => sum - Math.min(0, w), 0)
        expect(1 - k.c1 - k.cMu * k.weightSum - k.cMu * negative * n).toBeGreaterThanOrEqual(-1e-12)
        expect([...cmaEsConstants(n, lambda, false).weights].every(w => w >= 0)).toBe(true)
      }
    }
    expect([1, 2, 10, 100].map(defaultPopulationSize)).toEqual([4, 6, 10, 17])
  })
})

describe('CmaEsRun', () => {
  it.each([
    ['cmaes', cmaesConstants(5, 8), 1e-9],
    // Its E|N(0, I)| is exact. It guards a division by |z|² with 2e-9 |z| where others add 1e-8: a relative difference of 1e-9 a generation.
    ['pycma', { ...cmaEsConstants(5, 8, true), lazyGap: 0, chiN: (8 * Math.SQRT2) / (3 * Math.sqrt(Math.PI)) }, 1e-8],
  ] as const)('goes through the same states as %s given the same samples', (peer, constants, tolerance) => {
    const n = 5
    const lambda = 8
    const draw = fixtureNumbers()
    const problem = rosenbrock(n)
    const expected = fixture(`${peer}-rosenbrock`)
    const start = expected.get(0)?.covariance
    expected.delete(0)
    const covariance = start === undefined ? undefined : Float64Array.from(start.flat())
    const run = new CmaEsRun(Float64Array.of(-1, -0.25, 0.5, 1.25, 2), 0.7, constants, covariance)
    for (let generation = 1; generation <= 50; generation++) {
      // x = m + σ C^(1/2) z with the symmetric root is our m + σ B D z' for z' = Bᵀ z.
      const axes = Array.from({ length: n }, (_, k) => {
        const axis = run.axis(k)
        const length = Math.hypot(...axis)
        return axis.map(v => v / length)
      })
      const sampled = Array.from({ length: lambda }, () => {
        const z = Float64Array.from({ length: n }, () => draw.next().value)
        const rotated = Float64Array.from(axes, axis => axis.reduce((sum, v, i) => sum + v * z[i]!, 0))
        return { z: rotated, loss: problem.evaluate(run.point(rotated))[0]! }
      })
      run.update(sampled.sort((a, b) => a.loss - b.loss).map(sample => sample.z))
      const state = expected.get(generation)
      if (state === undefined) continue
      expected.delete(generation)
      expect(Math.abs(run.sigma / state.sigma - 1)).toBeLessThan(tolerance)
      for (let i = 0; i < n; i++) expect(Math.abs(run.mean[i]! - state.mean[i]!)).toBeLessThan(tolerance)
      const packed = decodeFloat64(run.snapshot().covariance)
      for (let i = 0, at = 0; i < n; i++) {
        for (let j = 0; j <= i; j++) {
          const scale = Math.sqrt(state.covariance[i]![i]! * state.covariance[j]![j]!)
          expect(Math.abs(packed[at++]! - state.covariance[i]![j]!) / scale).toBeLessThan(tolerance)
        }
      }
    }
    expect(expected.size).toBe(0)
  })

  it('learns the shape of an ellipsoid: the covariance becomes proportional to the inverse Hessian', () => {
    const n = 4
    const run = solve(ellipsoid(n), n, 1e-12)
    const { shortest, longest } = run.axisRange()
    expect(Math.log10(longest / shortest)).toBeGreaterThan(2.5) // 10^3 exactly
    expect(Math.log10(longest / shortest)).toBeLessThan(3.5)
  })

  it('is invariant under shifts of the optimum together with the start', () => {
    const states = [0, 1000].map(shift => {
      const rng = createRng(1)
      const run = new CmaEsRun(new Float64Array(3).fill(2 + shift), 0.5, cmaEsConstants(3, 7, true))
      for (let g = 0; g < 20; g++) {
        const zs = Array.from({ length: 7 }, () => nextSample('independent', rng, 3, []))
        const loss = (z: Float64Array): number => run.point(z).reduce((sum, v) => sum + (v - shift) ** 2, 0)
        run.update(zs.sort((a, b) => loss(a) - loss(b)))
      }
      return run.sigma
    })
    expect(states[0]! / states[1]!).toBeCloseTo(1, 9)
  })

  it('limits the deviation of each coordinate and stays positive definite', () => {
    const run = solve(ellipsoid(4), 4, 1e-3)
    const before = Array.from({ length: 4 }, (_, i) => run.deviation(i))
    const limit = (Math.min(...before) + Math.max(...before)) / 2
    run.limitDeviations(limit)
    for (const [i, deviation] of before.entries()) {
      expect(run.deviation(i)).toBeCloseTo(Math.min(deviation, limit), 12)
    }
    expect(run.axisRange().shortest).toBeGreaterThan(0)
  })

  it('continues bit by bit from its state when a decomposition is overdue', () => {
    const constants = { ...cmaEsConstants(3, 7, true), lazyGap: 3 }
    const problem = ellipsoid(3)
    const rng = createRng(6)
    const original = new CmaEsRun(new Float64Array(3), 1, constants)
    let twin = original
    for (let generation = 0; generation < 20; generation++) {
      const zs = Array.from({ length: 7 }, () => nextSample('independent', rng, 3, []))
      const loss = (z: Float64Array): number => problem.evaluate(original.point(z))[0]!
      zs.sort((a, b) => loss(a) - loss(b))
      original.update(zs)
      if (twin !== original) twin.update(zs)
      expect(twin.snapshot()).toEqual(original.snapshot())
      if (generation === 5) twin = CmaEsRun.restore(JSON.parse(JSON.stringify(original.snapshot())), constants)
    }
  })

  it('refuses a generation of the wrong size', () => {
    const run = new CmaEsRun(new Float64Array(2), 1, cmaEsConstants(2, 6, true))
    expect(() => run.update([])).toThrow('Expected 6 ranked samples, got 0.')
  })
})

describe('nextSample', () => {
  it('draws orthogonal vectors in blocks of n, lengths as if independent', () => {
    const n = 4
    const rng = createRng(1)
    const zs: Float64Array[] = []
    for (let i = 0; i < 10; i++) zs.push(nextSample('orthogonal', rng, n, zs))
    const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0)
    for (let i = 0; i < 10; i++) {
      for (let j = 0; j < i; j++) {
        const sameBlock = Math.floor(i / n) === Math.floor(j / n)
        if (sameBlock) expect(Math.abs(dot(zs[i]!, zs[j]!))).toBeLessThan(1e-12)
        else expect(Math.abs(dot(zs[i]!, zs[j]!))).toBeGreaterThan(1e-6)
      }
    }
  })

  it('keeps every vector standard normal', () => {
    const rng = createRng(2)
    const moments = Array.from({ length: 3 }, () => ({ mean: 0, square: 0, fourth: 0 }))
    const rounds = 20_000
    for (let round = 0; round < rounds; round++) {
      const zs: Float64Array[] = []
      for (const moment of moments) {
        zs.push(nextSample('orthogonal', rng, 3, zs))
        const v = zs.at(-1)![1]!
        moment.mean += v / rounds
        moment.square += v ** 2 / rounds
        moment.fourth += v ** 4 / rounds
      }
    }
    for (const { mean, square, fourth } of moments) {
      expect(Math.abs(mean)).toBeLessThan(0.035) // five standard errors each
      expect(Math.abs(square - 1)).toBeLessThan(0.05)
      expect(Math.abs(fourth - 3)).toBeLessThan(0.35)
    }
  })
})

describe('evaluations to 1e-8', () => {
  // Twice the medians of bench/cma-es.mjs: a wrong constant costs more than that, an unlucky seed less.
  for (const [problem, budget] of [
    [sphere(5), 1400],
    [ellipsoid(5), 3000],
    [sphere(20), 5500],
    [rosenbrock(3), 3000],
  ] as const) {
    it(`are at most ${budget} on ${problem.name}`, () => {
      const n = problem.domain.genes.length
      expect(evaluationsTo(problem, n, 1e-8, 3)).toBeLessThan(budget)
    })
  }
})

function solve(problem: ReturnType<typeof sphere>, n: number, target: number): CmaEsRun {
  const rng = createRng(4)
  const constants = cmaEsConstants(n, defaultPopulationSize(n), true)
  const run = new CmaEsRun(new Float64Array(n), 1, constants)
  for (let best = Number.POSITIVE_INFINITY; best > target && run.generation < 5000; ) {
    const sampled: { z: Float64Array; loss: number }[] = []
    for (let i = 0; i < constants.populationSize; i++) {
      const z = nextSample(
        'orthogonal',
        rng,
        n,
        sampled.map(sample => sample.z),
      )
      sampled.push({ z, loss: problem.evaluate(run.point(z))[0]! })
    }
    sampled.sort((a, b) => a.loss - b.loss)
    best = Math.min(best, sampled[0]!.loss)
    run.update(sampled.map(sample => sample.z))
  }
  return run
}

function evaluationsTo(problem: ReturnType<typeof sphere>, n: number, target: number, seed: number): number {
  const rng = createRng(seed)
  const constants = cmaEsConstants(n, defaultPopulationSize(n), true)
  const start = Float64Array.from({ length: n }, () => 8 * rng.uniform() - 4)
  const run = new CmaEsRun(start, 2, constants)
  for (let evaluations = 0; evaluations < 50_000; ) {
    const sampled: { z: Float64Array; loss: number }[] = []
    for (let i = 0; i < constants.populationSize; i++) {
      const z = nextSample(
        'orthogonal',
        rng,
        n,
        sampled.map(sample => sample.z),
      )
      const loss = problem.evaluate(run.point(z))[0]!
      evaluations++
      if (loss <= target) return evaluations
      sampled.push({ z, loss })
    }
    run.update(sampled.sort((a, b) => a.loss - b.loss).map(sample => sample.z))
  }
  return Number.POSITIVE_INFINITY
}
