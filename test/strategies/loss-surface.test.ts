import { describe, expect, it } from 'vitest'
import { createRng } from '../../src/rng.ts'
import { smoothLosses, type UncertainLoss } from '../../src/strategies/loss-surface.ts'

const truth = ([x, y]: ArrayLike<number> & Iterable<number>): number => (x! - 0.4) ** 2 + 2 * (y! - 0.6) ** 2

function noisy(n: number, error: number, seed: number): UncertainLoss[] {
  const rng = createRng(seed)
  return Array.from({ length: n }, () => {
    const inputs = Float64Array.of(rng.uniform(), rng.uniform())
    return { inputs, loss: truth(inputs) + error * rng.normal(), variance: error * error }
  })
}

const rms = (observations: readonly UncertainLoss[], losses: ArrayLike<number>): number =>
  Math.sqrt(
    observations.reduce((sum, { inputs }, i) => sum + (losses[i]! - truth(inputs)) ** 2, 0) / observations.length,
  )

describe('losses smoothed by their neighbours', () => {
  it('are nearer to the truth than their errors by a factor of two and more', () => {
    for (let seed = 0; seed < 10; seed++) {
      const observations = noisy(80, 0.15, seed)
      expect(rms(observations, smoothLosses(observations, 2))).toBeLessThan(0.5 * 0.15)
    }
  })

  it('stay as they are without noise, with nothing to tell them apart and alone', () => {
    const exact = noisy(30, 0, 1)
    expect([...smoothLosses(exact, 2)]).toEqual(exact.map(({ loss }) => loss))
    const same = noisy(5, 0.1, 2).map(observation => ({ ...observation, inputs: Float64Array.of(0.5, 0.5) }))
    expect([...smoothLosses(same, 2)]).toEqual(same.map(({ loss }) => loss))
    const equal = noisy(5, 0.1, 3).map(observation => ({ ...observation, loss: 0.25 }))
    expect([...smoothLosses(equal, 2)]).toEqual([0.25, 0.25, 0.25, 0.25, 0.25])
    expect([...smoothLosses([{ inputs: Float64Array.of(1), loss: 3, variance: 1 }], 1)]).toEqual([3])
  })

  it('turn to one value where the noise explains everything', () => {
    const rng = createRng(4)
    const observations = noisy(60, 0, 4).map(({ inputs }) => ({ inputs, loss: 0.01 * rng.normal(), variance: 0.01 }))
    const smoothed = [...smoothLosses(observations, 2)]
    expect(Math.max(...smoothed) - Math.min(...smoothed)).toBeLessThan(0.002)
  })

  it('do not depend on units: inputs may be stretched and moved, losses too', () => {
    const observations = noisy(40, 0.1, 5)
    const plain = smoothLosses(observations, 2)
    const stretched = smoothLosses(
      observations.map(({ inputs, loss, variance }) => ({
        inputs: Float64Array.of(1e-3 * inputs[0]! + 7, 1e4 * inputs[1]!),
        loss: 100 * loss - 3,
        variance: 1e4 * variance,
      })),
      2,
    )
    stretched.forEach((loss, i) => {
      expect((loss + 3) / 100).toBeCloseTo(plain[i]!, 6)
    })
  })

  it('compare what is no number by equality', () => {
    const rng = createRng(6)
    const observations = Array.from({ length: 60 }, (_, i) => ({
      inputs: Float64Array.of(rng.uniform(), [5, 0, 9][i % 3]!),
      loss: [0, 1, 0.5][i % 3]! + 0.3 * rng.normal(),
      variance: 0.09,
    }))
    const smoothed = smoothLosses(observations, 1)
    const error = observations.map((_, i) => smoothed[i]! - [0, 1, 0.5][i % 3]!)
    expect(Math.sqrt(error.reduce((sum, e) => sum + e * e, 0) / 60)).toBeLessThan(0.15)
  })
})
