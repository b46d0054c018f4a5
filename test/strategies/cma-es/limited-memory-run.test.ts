import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { LimitedMemoryRun, limitedMemoryConstants } from '../../../src/strategies/cma-es/limited-memory-run.ts'
import { nextSample } from '../../../src/strategies/cma-es/orthogonal-sampling.ts'
import { cigar } from './quadratics.ts'

/** LM-MA-ES as its paper writes it, with the transformation M as a matrix. */
class PlainTwin {
  mean: number[]
  sigma: number
  generation = 0
  readonly #k
  readonly #paths: number[][]
  #pSigma: number[]

  constructor(mean: readonly number[], sigma: number, lambda: number) {
    const n = mean.length
    this.mean = [...mean]
    this.sigma = sigma
    this.#k = limitedMemoryConstants(n, lambda)
    this.#paths = Array.from({ length: 4 + Math.floor(3 * Math.log(n)) }, () => new Array<number>(n).fill(0))
    this.#pSigma = new Array<number>(n).fill(0)
  }

  /** M = P_m ... P_1 with P_j = (1 - c_d) I + c_d m_j m_jᵀ. */
  matrix(): number[][] {
    const n = this.mean.length
    let m: number[][] = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)))
    for (let j = 0; j < Math.min(this.generation, this.#paths.length); j++) {
      const path = this.#paths[j]!
      const c = 1 / (1.5 ** j * n)
      const factor = m.map((_, a) => m.map((_, b) => (a === b ? 1 - c : 0) + c * path[a]! * path[b]!))
      m = factor.map(row => m.map((_, b) => row.reduce((sum, f, k) => sum + f * m[k]![b]!, 0)))
    }
    return m
  }

  point(z: readonly number[]): number[] {
    return this.matrix().map((row, i) => this.mean[i]! + this.sigma * row.reduce((sum, f, k) => sum + f * z[k]!, 0))
  }

  update(ranked: readonly (readonly number[])[]): void {
    const n = this.mean.length
    const lambda = ranked.length
    const { weights, muEff } = this.#k
    const zW = this.mean.map((_, i) => ranked.reduce((sum, z, s) => sum + weights[s]! * z[i]!, 0))
    this.mean = this.point(zW)
    const c = (2 * lambda) / n
    this.#pSigma = this.#pSigma.map((p, i) => (1 - c) * p + Math.sqrt(muEff * c * (2 - c)) * zW[i]!)
    for (const [j, path] of this.#paths.entries()) {
      const turn = lambda / (4 ** j * n)
      for (let i = 0; i < n; i++) path[i] = (1 - turn) * path[i]! + Math.sqrt(muEff * turn * (2 - turn)) * zW[i]!
    }
    this.sigma *= Math.exp((c / 2) * (this.#pSigma.reduce((sum, p) => sum + p * p, 0) / n - 1))
    this.generation++
  }
}

const n = 30
const lambda = 10

describe('LimitedMemoryRun', () => {
  it('is LM-MA-ES: equal to the algorithm written with matrices', () => {
    const loss = cigar(n)
    const rng = createRng(1)
    const start = Float64Array.from({ length: n }, () => rng.normal())
    const run = new LimitedMemoryRun(start, 0.5, limitedMemoryConstants(n, lambda))
    const twin = new PlainTwin([...start], 0.5, lambda)
    for (let generation = 0; generation < 60; generation++) {
      const zs = Array.from({ length: lambda }, () => nextSample('independent', rng, n, []))
      zs.sort((a, b) => loss(run.point(a)) - loss(run.point(b)))
      for (const [i, x] of twin.point([...zs[0]!]).entries()) expect(run.point(zs[0]!)[i]).toBeCloseTo(x, 9)
      run.update(zs)
      twin.update(zs.map(z => [...z]))
      expect(run.sigma / twin.sigma).toBeCloseTo(1, 9)
    }
    for (const [i, m] of twin.mean.entries()) expect(run.mean[i]).toBeCloseTo(m, 9)
    const transposed = twin.matrix()
    for (const k of [0, 7]) {
      for (const [i, v] of run.axis(k).entries()) expect(v).toBeCloseTo(run.sigma * transposed[i]![k]!, 9)
    }
  })

  it('finds z of a point, the deviations of coordinates, and the long axis of a cigar', () => {
    const loss = cigar(n)
    const rng = createRng(2)
    const run = new LimitedMemoryRun(new Float64Array(n).fill(1), 0.5, limitedMemoryConstants(n, lambda))
    const generations = 400
    for (let generation = 0; generation < generations; generation++) {
      const zs = Array.from({ length: lambda }, (_, i) =>
        nextSample(i === 0 ? 'independent' : 'orthogonal', rng, n, []),
      )
      run.update(zs.sort((a, b) => loss(run.point(a)) - loss(run.point(b))))
    }
    const z = nextSample('independent', rng, n, [])
    for (const [i, v] of run.coordinates(run.point(z)).entries()) expect(v).toBeCloseTo(z[i]!, 6)
    // Row norms of M are the deviations that `deviation` estimates.
    const squares = new Float64Array(n)
    for (let k = 0; k < n; k++) for (const [i, v] of run.axis(k).entries()) squares[i]! += v * v
    for (const [i, square] of squares.entries()) {
      expect(Math.abs(Math.log(run.deviation(i) / Math.sqrt(square)))).toBeLessThan(0.7)
    }
    const { shortest, longest } = run.axisRange()
    expect(longest).toBeGreaterThanOrEqual(shortest)
  })

  it('shrinks until the widest coordinate fits', () => {
    const run = new LimitedMemoryRun(new Float64Array(3), 2, limitedMemoryConstants(3, 7))
    run.limitDeviations(Float64Array.of(1, 0.5, 4))
    expect(run.sigma).toBeCloseTo(0.5, 12)
    run.limitDeviations(1)
    expect(run.sigma).toBeCloseTo(0.5, 12)
  })

  it('refuses a generation of the wrong size and a snapshot of another dimension', () => {
    const run = new LimitedMemoryRun(new Float64Array(3), 1, limitedMemoryConstants(3, 7))
    expect(() => run.update([])).toThrow('Expected 7 ranked samples, got 0.')
    expect(() => LimitedMemoryRun.restore(run.snapshot(), limitedMemoryConstants(40, 7))).toThrow(RangeError)
  })
})
