import { describe, expect, it } from 'vitest'
import { createRng, type Rng } from '../../../src/rng.ts'
import { CmaEsRun, cmaEsConstants } from '../../../src/strategies/cma-es/cma-es-run.ts'
import { LearningRateAdaptation } from '../../../src/strategies/cma-es/learning-rate-adaptation.ts'
import { nextSample } from '../../../src/strategies/cma-es/orthogonal-sampling.ts'

const n = 5
const lambda = 8

function generation(run: CmaEsRun, rng: Rng, loss: (x: Float64Array) => number): Float64Array[] {
  return Array.from({ length: lambda }, () => nextSample('independent', rng, n, []))
    .map(z => ({ z, loss: loss(run.point(z)) }))
    .sort((a, b) => a.loss - b.loss)
    .map(({ z }) => z)
}

const sphere = (x: Float64Array): number => x.reduce((sum, v) => sum + v * v, 0)
const start = (): CmaEsRun => new CmaEsRun(new Float64Array(n).fill(3), 1, cmaEsConstants(n, lambda, true))

describe('LearningRateAdaptation', () => {
  it('takes the given share of a step: mean, covariance and a step size corrected by the rates', () => {
    const [plain, adapted] = [start(), start()]
    const before = adapted.mean.slice()
    const covariance = adapted.covariance()
    const zs = generation(plain, createRng(1), sphere)
    const adaptation = new LearningRateAdaptation(n)
    plain.update(zs)
    adaptation.step(adapted, () => adapted.update(zs))
    const { mean, covariance: etaCovariance } = adaptation.rates
    // After one step |E|² = β² |Δ|² and V = β |Δ|², so that the ratio of signal to noise is β/(2 - β), of which 1.4 is wanted.
    const first = (beta: number): number => Math.exp(beta * (beta / (2 - beta) / 1.4 - 1))
    expect(mean).toBeCloseTo(first(0.1), 12)
    expect(etaCovariance).toBeCloseTo(first(0.03), 12)
    for (let i = 0; i < n; i++) {
      expect(adapted.mean[i]).toBeCloseTo(before[i]! + mean * (plain.mean[i]! - before[i]!), 12)
    }
    const wanted = plain.covariance().map((c, i) => covariance[i]! + etaCovariance * (c - covariance[i]!))
    const found = adapted.covariance()
    for (const [i, c] of wanted.entries()) expect(found[i]! * mean ** 2).toBeCloseTo(c, 12)
  })

  it('keeps long steps where they agree and shortens them where they are noise', () => {
    const rates = (loss: (x: Float64Array) => number): number => {
      const run = start()
      const rng = createRng(5)
      const adaptation = new LearningRateAdaptation(n)
      for (let i = 0; i < 150; i++) {
        const zs = generation(run, rng, loss)
        adaptation.step(run, () => run.update(zs))
      }
      return adaptation.rates.mean
    }
    const noise = createRng(8)
    expect(rates(x => x[0]!)).toBeGreaterThan(0.3)
    expect(rates(() => noise.normal())).toBeLessThan(0.1)
  })

  it('goes on where restarts of the same population would stop: deep into a noisy sphere', () => {
    const distance = (adapt: boolean): number => {
      const run = start()
      const rng = createRng(2)
      const noise = createRng(3)
      const adaptation = new LearningRateAdaptation(n)
      for (let i = 0; i < 3000; i++) {
        const zs = generation(run, rng, x => sphere(x) + noise.normal())
        const update = (): void => run.update(zs)
        if (adapt) adaptation.step(run, update)
        else update()
      }
      return sphere(run.mean)
    }
    expect(distance(true)).toBeLessThan(distance(false) / 3)
  })

  it('continues from its snapshot', () => {
    const run = start()
    const rng = createRng(5)
    const one = new LearningRateAdaptation(n)
    for (let i = 0; i < 20; i++) {
      const zs = generation(run, rng, sphere)
      one.step(run, () => run.update(zs))
    }
    const other = new LearningRateAdaptation(n)
    other.restore(JSON.parse(JSON.stringify(one.snapshot())))
    expect(other.snapshot()).toEqual(one.snapshot())
    expect(other.rates).toEqual(one.rates)
  })
})
