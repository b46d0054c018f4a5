import { describe, expect, it } from 'vitest'
import { hypervolume } from '../../../../src/archive/hypervolume.ts'
import { logH, normalCdf, normalPdf } from '../../../../src/numerics/normal.ts'
import { createRng, type Rng } from '../../../../src/rng.ts'
import { Gp } from '../../../../src/strategies/bayes/gp.ts'
import { nonDominatedBoxes } from '../../../../src/strategies/bayes/multi-objective/boxes.ts'
import {
  BoxTerms,
  logExpectedHypervolumeImprovement,
} from '../../../../src/strategies/bayes/multi-objective/log-ehvi.ts'

const arc = (n: number): number[][] =>
  Array.from({ length: n }, (_, i) => {
    const angle = ((i + 0.5) / n) * (Math.PI / 2)
    return [1 - Math.cos(angle), 1 - Math.sin(angle)]
  })

function logEhvi(front: number[][], reference: number[], means: number[], deviations: number[]): number {
  const terms = new BoxTerms(nonDominatedBoxes(front, reference))
  return terms.value(Float64Array.from(means), Float64Array.from(deviations))
}

/** Mean improvement of many draws, and its standard error. */
function sampled(
  front: number[][],
  reference: number[],
  means: number[],
  deviations: number[],
  rng: Rng,
): [number, number] {
  const draws = 20_000
  const before = hypervolume(front, reference)
  let [sum, squares] = [0, 0]
  for (let i = 0; i < draws; i++) {
    const gain =
      hypervolume([...front, means.map((mean, j) => mean + deviations[j]! * rng.normal())], reference) - before
    sum += gain
    squares += gain * gain
  }
  const mean = sum / draws
  return [mean, Math.sqrt((squares / draws - mean * mean) / draws)]
}

describe('the expected hypervolume improvement', () => {
  it('without a front is the product of expected improvements over the reference', () => {
    const expected = logH((1 - 0.3) / 0.2) + Math.log(0.2) + logH((2 - 2.5) / 0.7) + Math.log(0.7)
    expect(logEhvi([], [1, 2], [0.3, 2.5], [0.2, 0.7])).toBeCloseTo(expected, 12)
  })

  it('over a front of one point is the product less the part that the point covers', () => {
    const [point, reference, means, deviations] = [
      [0.4, 0.5],
      [1, 1.2],
      [0.5, 0.6],
      [0.3, 0.25],
    ]
    const psi = (a: number, j: number): number => {
      const t = (a - means![j]!) / deviations![j]!
      return deviations![j]! * (normalPdf(t) + t * normalCdf(t))
    }
    const whole = psi(reference![0]!, 0) * psi(reference![1]!, 1)
    const covered = (psi(reference![0]!, 0) - psi(point![0]!, 0)) * (psi(reference![1]!, 1) - psi(point![1]!, 1))
    expect(Math.exp(logEhvi([point!], reference!, means!, deviations!))).toBeCloseTo(whole - covered, 12)
  })

  it('agrees with Monte Carlo on random fronts of two and three objectives', () => {
    const rng = createRng(7)
    for (const m of [2, 3]) {
      for (let round = 0; round < 6; round++) {
        const front = Array.from({ length: 6 }, () => Array.from({ length: m }, () => rng.uniform()))
        const means = Array.from({ length: m }, () => rng.uniform())
        const deviations = Array.from({ length: m }, () => 0.05 + 0.4 * rng.uniform())
        const [mean, error] = sampled(front, new Array<number>(m).fill(1.1), means, deviations, rng)
        const exact = Math.exp(logEhvi(front, new Array<number>(m).fill(1.1), means, deviations))
        expect(Math.abs(exact - mean)).toBeLessThan(5 * error + 1e-9)
      }
    }
  })

  it('with a third objective that says nothing is the one of the other two times a constant', () => {
    const front = arc(8)
    const flat = front.map(point => [...point, 5])
    // The third objective is surely 1 below the reference wherever the front is at 5, reference 6.
    const two = logEhvi(front, [1.1, 1.1], [0.3, 0.2], [0.2, 0.3])
    const three = logEhvi(flat, [1.1, 1.1, 6], [0.3, 0.2, 5], [0.2, 0.3, 1e-9])
    expect(three).toBeCloseTo(two, 7)
  })

  it('keeps its order where the improvement underflows', () => {
    const front = arc(5)
    const far = [10, 20, 40, 80].map(distance => logEhvi(front, [1.1, 1.1], [distance, distance], [0.05, 0.05]))
    for (const [i, value] of far.entries()) {
      expect(Number.isFinite(value)).toBe(true)
      if (i > 0) expect(value).toBeLessThan(far[i - 1]!)
    }
    expect(far[0]).toBeLessThan(-10_000)
  })

  it('has the derivatives of its differences, in thin and wide boxes and in the tails', () => {
    const rng = createRng(3)
    for (const n of [1, 10, 2000]) {
      const front = arc(n)
      const terms = new BoxTerms(nonDominatedBoxes(front, [1.1, 1.1]))
      for (let round = 0; round < 10; round++) {
        const means = Float64Array.of(rng.uniform() * 2, rng.uniform() * 2)
        const deviations = Float64Array.of(0.02 + rng.uniform(), 0.02 + rng.uniform())
        const byMean = new Float64Array(2)
        const byDeviation = new Float64Array(2)
        terms.value(means, deviations, byMean, byDeviation)
        for (let j = 0; j < 2; j++) {
          for (const [vector, slopes] of [
            [means, byMean],
            [deviations, byDeviation],
          ] as const) {
            const h = 1e-5 * deviations[j]!
            const kept = vector[j]!
            vector[j] = kept + h
            const up = terms.value(means, deviations)
            vector[j] = kept - h
            const down = terms.value(means, deviations)
            vector[j] = kept
            const slope = (up - down) / (2 * h)
            expect(Math.abs(slopes[j]! - slope)).toBeLessThan(1e-5 * Math.max(1, Math.abs(slope)))
          }
        }
      }
    }
  })
})

describe('the acquisition', () => {
  const rng = createRng(11)
  const shape = { numeric: 3, categorical: 1 }
  const gps = [0, 1].map(j => {
    const parameters = { lengthscales: Float64Array.of(0.5, 0.7, 1, 2), outputscale: 1, mean: 0, noise: 1e-4 }
    const gp = new Gp(shape, parameters)
    const inputs = Array.from({ length: 10 }, () => [rng.uniform(), rng.uniform(), rng.uniform(), rng.integer(0, 2)])
    const targets = inputs.map(x => (x[0]! - 0.2 - 0.6 * j) ** 2 + x[1]! * x[2]! + 0.1 * x[3]!)
    gp.append(Float64Array.from(inputs.flat()), targets, new Float64Array(10).fill(1))
    return gp
  })
  const acquisition = logExpectedHypervolumeImprovement(
    gps,
    nonDominatedBoxes(
      [
        [0.1, 0.3],
        [0.2, 0.15],
      ],
      [0.6, 0.6],
    ),
  )

  it('has the gradient of its differences, and none for categorical inputs', () => {
    for (let round = 0; round < 10; round++) {
      const x = Float64Array.of(rng.uniform(), rng.uniform(), rng.uniform(), 1)
      const gradient = new Float64Array(4)
      acquisition.evaluate(x, gradient)
      expect(gradient[3]).toBe(0)
      for (let i = 0; i < 3; i++) {
        const at = (step: number): number => acquisition.evaluate(x.map((v, k) => (k === i ? v + step : v)))
        const slope = (at(1e-5) - at(-1e-5)) / 2e-5
        expect(Math.abs(gradient[i]! - slope)).toBeLessThan(1e-4 * Math.max(1, Math.abs(slope)))
      }
    }
  })

  it('is the same for many points at once', () => {
    const points = Float64Array.from({ length: 4 * 7 }, (_, i) => (i % 4 === 3 ? 0 : rng.uniform()))
    const many = acquisition.evaluateMany(points, 7)
    for (let i = 0; i < 7; i++) expect(many[i]).toBeCloseTo(acquisition.evaluate(points.slice(4 * i, 4 * i + 4)), 8)
  })
})
