import { describe, expect, it } from 'vitest'
import { Gp } from '../../../../src/strategies/bayes/gp.ts'
import { hypervolumeCriterion } from '../../../../src/strategies/bayes/multi-objective/hypervolume-criterion.ts'
import { effectiveReference } from '../../../../src/strategies/bayes/multi-objective/reference.ts'

describe('the reference point', () => {
  it('is the objectives’ own as soon as a point is below it', () => {
    expect(
      effectiveReference(
        [
          [0, 0],
          [9, 9],
        ],
        [[0, 0]],
        [1, 2],
      ),
    ).toEqual([1, 2])
  })

  it('moves out to the front’s worst and a tenth of its range until then, and never in', () => {
    const front = [
      [6, 10],
      [10, 0],
    ]
    expect(effectiveReference(front, front, [5, 30])).toEqual([10.4, 30])
  })

  it('takes the range of all points for a front of one', () => {
    expect(
      effectiveReference(
        [
          [2, 2],
          [12, 22],
        ],
        [[2, 2]],
        [1, 1],
      ),
    ).toEqual([3, 4])
  })

  it('leaves room for improvement where all points are equal', () => {
    expect(
      effectiveReference(
        [
          [2, 2],
          [2, 2],
        ],
        [[2, 2]],
        [1, 1],
      ),
    ).toEqual([2.1, 2.1])
  })
})

/** Two opposed objectives on [0, 1], three observations, and whatever is believed. */
function gps(noise: number, believed: readonly number[] = []): Gp[] {
  return [0, 1].map(j => {
    const gp = new Gp(
      { numeric: 1, categorical: 0 },
      { lengthscales: Float64Array.of(0.4), outputscale: 1, mean: 0, noise },
    )
    const x = [0.1, 0.5, 0.9]
    gp.append(
      Float64Array.from(x),
      x.map(v => (j === 0 ? v : 1 - v)),
      [1, 1, 1],
    )
    for (const v of believed) {
      const input = Float64Array.of(v)
      gp.append(input, [gp.predict(input).mean], [0])
    }
    return gp
  })
}

describe('the hypervolume criterion', () => {
  it('prefers what lies between known points to what is known', () => {
    const { acquisition } = hypervolumeCriterion(gps(1e-6), [1.1, 1.1], 2)
    expect(acquisition.evaluate(Float64Array.of(0.3))).toBeGreaterThan(acquisition.evaluate(Float64Array.of(0.5)) + 1)
  })

  it('counts points under evaluation as part of the front', () => {
    const free = hypervolumeCriterion(gps(1e-6), [1.1, 1.1], 2).acquisition
    const pending = hypervolumeCriterion(gps(1e-6, [0.3]), [1.1, 1.1], 2).acquisition
    expect(pending.evaluate(Float64Array.of(0.3))).toBeLessThan(free.evaluate(Float64Array.of(0.3)) - 1)
  })

  it('looks around the points of the front that cover most', () => {
    expect(hypervolumeCriterion(gps(1e-6), [1.1, 1.1], 1).anchors).toEqual([1])
    expect(hypervolumeCriterion(gps(1e-6), [1.1, 1.1], 9).anchors).toHaveLength(3)
  })

  it('takes noise off the front: under heavy noise it is the models’ means, which lie close together', () => {
    const [calm, noisy] = [gps(1e-6), gps(4)]
    const spread = (models: readonly Gp[]): number =>
      Math.max(...models[0]!.fittedMeans()) - Math.min(...models[0]!.fittedMeans())
    expect(spread(noisy)).toBeLessThan(0.3 * spread(calm))
    expect(Number.isFinite(hypervolumeCriterion(noisy, [1.1, 1.1], 2).acquisition.evaluate(Float64Array.of(0.3)))).toBe(
      true,
    )
  })
})
