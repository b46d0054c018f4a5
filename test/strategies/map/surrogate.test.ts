import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { FAMILIES, suitableLinks } from '../../../src/strategies/map/links.ts'
import { coefficientCount, monomials, quadratic } from '../../../src/strategies/map/quadratic-basis.ts'
import {
  fitSurrogate,
  predicts,
  requireModel,
  type SurrogateData,
  trialsNeeded,
} from '../../../src/strategies/map/surrogate.ts'
import { maximize, minimize } from '../../problems/problem.ts'

const accuracy = { ...maximize('accuracy', 0, 1), unit: 'accuracy, 0..1' }
const AUTO = { link: 'auto', model: 'auto' } as const

function uniform(n: number, d: number, seed: number): Float64Array[] {
  const rng = createRng(seed)
  return Array.from({ length: n }, () => Float64Array.from({ length: d }, () => rng.uniform()))
}

function data(points: Float64Array[], value: (u: Float64Array) => number, examples = 0): SurrogateData {
  return {
    points,
    values: Float64Array.from(points, value),
    examples: new Float64Array(points.length).fill(examples),
    focus: new Float64Array(points.length).fill(1),
  }
}

describe('quadratic basis', () => {
  it('counts the coefficients of the full and the diagonal quadratic', () => {
    expect([2, 3, 5, 8, 10].map(d => coefficientCount('full', d))).toEqual([6, 10, 21, 45, 66])
    expect(coefficientCount('diagonal', 10)).toBe(21)
    expect(trialsNeeded('full', 2)).toBe(7)
  })

  it('evaluates a quadratic as its monomials do', () => {
    const u = Float64Array.of(0.1, 0.7, 0.4)
    for (const model of ['full', 'diagonal'] as const) {
      const row = monomials(model, u)
      expect(row).toHaveLength(coefficientCount(model, 3) - 1)
      const b = row.map((_, i) => Math.sin(i + 1))
      expect(quadratic(model, 2, b, u)).toBeCloseTo(
        row.reduce((sum, x, i) => sum + x * b[i]!, 2),
        12,
      )
    }
  })
})

describe('suitableLinks', () => {
  it('passes accuracies through a sigmoid, losses through softplus, and anything else through nothing', () => {
    expect(suitableLinks(accuracy, [0.2, 0.9])[0]).toBe('sigmoid')
    expect(suitableLinks({ ...minimize('loss', 5), unit: 'nats/example' }, [0.5, 2])[0]).toBe('softplus')
    expect(suitableLinks(minimize('size', 100), [20, 30])).toEqual(['identity'])
    expect(suitableLinks({ ...minimize('error', 1, 0), unit: '1' }, [0.1, 0.4])[0]).toBe('sigmoid')
  })

  it('believes the values more than the declaration', () => {
    expect(suitableLinks(accuracy, [0.2, 1.5])).toEqual(['identity'])
    expect(suitableLinks({ ...minimize('loss', 5, 0), unit: 'nats' }, [-0.5, 2])).toEqual(['identity'])
  })
})

describe('fitSurrogate', () => {
  it('recovers a quadratic through every link from as many noiseless trials as it needs', () => {
    const q = (u: Float64Array) => 1 - 2 * u[0]! + 1.5 * u[1]! ** 2 - 3 * u[0]! * u[2]! + u[2]!
    const points = uniform(trialsNeeded('full', 3) + 4, 3, 1)
    const fresh = uniform(20, 3, 2)
    for (const [link, objective] of [
      ['sigmoid', accuracy],
      ['softplus', minimize('loss', 5, 0)],
      ['identity', minimize('f', 1)],
    ] as const) {
      const value = (u: Float64Array) => FAMILIES[link].mean(q(u))
      const surrogate = fitSurrogate(objective, data(points, value), { link, model: 'full' })!
      const sign = objective.direction === 'maximize' ? -1 : 1
      for (const u of fresh) expect(surrogate.loss(u)).toBeCloseTo(sign * value(u), 4)
      expect(surrogate.quality.r2).toBeGreaterThan(0.9999)
      expect(surrogate.quality.tau).toBeGreaterThan(0.98)
    }
  })

  it('leaves products out where they do not help, and takes them in where they do', () => {
    const rng = createRng(3)
    const noise = () => 0.1 * rng.normal()
    const apart = data(uniform(30, 4, 4), u => u.reduce((sum, v) => sum + (v - 0.3) ** 2, 0) + noise())
    expect(fitSurrogate(minimize('f', 1), apart, AUTO)!.model).toBe('diagonal')
    const together = data(uniform(40, 4, 5), u => 4 * u[0]! * u[1]! - 3 * u[2]! * u[3]! + noise())
    expect(fitSurrogate(minimize('f', 1), together, AUTO)!.model).toBe('full')
  })

  it('is less certain away from the data', () => {
    const rng = createRng(6)
    const points = uniform(25, 2, 7).map(u => u.map(v => 0.5 * v))
    const surrogate = fitSurrogate(
      minimize('f', 1),
      data(points, u => u[0]! + 0.1 * rng.normal()),
      AUTO,
    )!
    expect(surrogate.deviation([1, 1])).toBeGreaterThan(2 * surrogate.deviation([0.25, 0.25]))
  })

  it('has nothing to say with too few trials', () => {
    expect(
      fitSurrogate(
        minimize('f', 1),
        data(uniform(5, 2, 1), u => u[0]!),
        AUTO,
      ),
    ).toBeUndefined()
    expect(
      fitSurrogate(
        minimize('f', 1),
        data(uniform(6, 2, 1), u => u[0]!),
        AUTO,
      )!.model,
    ).toBe('diagonal')
  })

  it('does not claim to predict noise, and does not blame a flat accuracy for the noise of its examples', () => {
    const rng = createRng(8)
    const random = fitSurrogate(
      minimize('f', 1),
      data(uniform(40, 2, 9), () => rng.normal()),
      AUTO,
    )!
    expect(predicts(random.quality)).toBe(false)
    const counted = (examples: number) => {
      const draw = () => {
        let right = 0
        for (let e = 0; e < 100; e++) if (rng.uniform() < 0.9) right++
        return right / 100
      }
      return fitSurrogate(accuracy, data(uniform(40, 2, 9), draw, examples), AUTO)!.quality
    }
    expect(counted(100).noise).toBeGreaterThan(0.5)
    expect(predicts(counted(100))).toBe(true)
    expect(counted(0).noise).toBe(0)
  })

  it('predicts a constant by itself', () => {
    const surrogate = fitSurrogate(
      accuracy,
      data(uniform(20, 2, 1), () => 0.4),
      AUTO,
    )!
    expect(surrogate.model).toBe('constant')
    expect(surrogate.loss([0.5, 0.5])).toBe(-0.4)
    expect(predicts(surrogate.quality)).toBe(true)
  })
})

describe('requireModel', () => {
  it('refuses more coefficients than can be fitted', () => {
    expect(() => requireModel('full', 30)).toThrow(
      'Strategy "map" fits at most 300 coefficients, but a full quadratic of 30 genes has 496.',
    )
    expect(() => requireModel('auto', 30)).not.toThrow()
    expect(() => requireModel('auto', 200)).toThrow('but a diagonal quadratic of 200 genes has 401.')
  })
})
