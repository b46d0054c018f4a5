import { describe, expect, it } from 'vitest'
import { BoundPenalty } from '../../../src/strategies/cma-es/bound-penalty.ts'

const losses = [1, 2, 3, 4, 5, 6, 7] // of 7: quartiles at positions 2 and 6, range 4
const outside = Float64Array.of(-0.02, 0)

describe('BoundPenalty', () => {
  it('costs nothing before the mean has left the box', () => {
    const penalty = new BoundPenalty()
    for (let i = 0; i < 5; i++) penalty.update(losses, new Float64Array(2), () => 0.1, 4)
    expect(penalty.penalty(Float64Array.of(-1, 3))).toBe(0)
  })

  it('weighs violations by twice the spread of the losses over the variance', () => {
    const penalty = new BoundPenalty()
    penalty.update(losses, outside, () => 0.1, 4)
    // γ = 2 · 4 / 0.01 = 800 for both; (800 · 0.3² + 800 · 0.1²) / 2
    expect(penalty.penalty(Float64Array.of(-0.3, 0.1))).toBeCloseTo(40, 9)
  })

  it('raises the weight of a coordinate while its mean is far outside, and lowers it again after', () => {
    const penalty = new BoundPenalty()
    const far = Float64Array.of(-1, 0)
    const first = (): number => 2 * penalty.penalty(Float64Array.of(1, 0))
    penalty.update(losses, far, () => 0.1, 4)
    penalty.update(losses, far, () => 0.1, 4) // set anew after the second generation
    // 10 deviations outside, 3 of them as a random walk: e = 7, n = 2, μ_eff = 4: damping 0.2.
    expect(first()).toBeCloseTo(800 * Math.exp((0.2 * Math.tanh(7 / 3)) / 2), 9)
    expect(2 * penalty.penalty(Float64Array.of(0, 1))).toBeCloseTo(800, 9)
    for (let i = 0; i < 200; i++) penalty.update(losses, far, () => 0.1, 4)
    expect(first()).toBeGreaterThan(1e5)
    for (let i = 0; i < 400; i++) penalty.update(losses, new Float64Array(2), () => 0.1, 4)
    expect(first()).toBeLessThanOrEqual(5 * 400) // five spreads over the variance
    expect(first()).toBeGreaterThan(5 * 400 * Math.exp(-0.2 / 3))
  })

  it('lets the violation alone decide on a plateau, whatever failed', () => {
    const penalty = new BoundPenalty()
    penalty.update([1, 1, 1, 1], outside, () => 0.1, 2)
    expect(penalty.penalty(outside)).toBeCloseTo(0.02 ** 2 / 2, 12)
    const failed = Number.POSITIVE_INFINITY
    penalty.update([1, failed, failed, failed], outside, () => 0.1, 2)
    expect(penalty.penalty(outside)).toBeCloseTo(0.02 ** 2 / 2, 12)
  })

  it('continues from its snapshot', () => {
    const [one, other] = [new BoundPenalty(), new BoundPenalty()]
    for (let i = 0; i < 30; i++)
      one.update(
        losses.map(l => l * (1 + (i % 3))),
        outside,
        () => 0.1,
        4,
      )
    other.restore(one.snapshot())
    for (const penalty of [one, other]) penalty.update(losses, outside, () => 0.2, 4)
    expect(other.snapshot()).toEqual(one.snapshot())
  })
})
