import fc from 'fast-check'
import { expect, it } from 'vitest'
import { hypervolume } from '../../../src/archive/hypervolume.ts'
import { UncrowdedImprovement } from '../../../src/strategies/evolution/uncrowded-improvement.ts'

const point = fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 2, maxLength: 2 })
const points = fc.array(point, { maxLength: 8 })

it('is the hypervolume that a point adds, where it adds any, and never positive elsewhere', () => {
  fc.assert(
    fc.property(points, point, (set, added) => {
      const reference = [6, 6]
      const gain = hypervolume([...set, added], reference) - hypervolume(set, reference)
      const value = new UncrowdedImprovement(set, reference).of(added)
      if (gain > 0) expect(value).toBe(gain)
      else expect(value).toBeLessThanOrEqual(0)
    }),
    { numRuns: 1000 },
  )
})

it('is minus the distance to the nearest place that is not dominated', () => {
  const improvement = new UncrowdedImprovement(
    [
      [1, 3],
      [3, 1],
      [3, 3], // dominated: no part of the front
    ],
    [10, 10],
  )
  expect(improvement.of([2, 4])).toBe(-1) // left to x = 1, or down to y = 3
  expect(improvement.of([3.5, 3.25])).toBe(-Math.hypot(0.5, 0.25)) // to the corner between the two
  expect(improvement.of([12, 0.5])).toBe(-2) // back to the reference
  expect(improvement.of([13, 14])).toBe(-Math.hypot(12, 4)) // to what (1, 3) leaves free: x <= 1 below the reference
  expect(improvement.of([1, 3])).toBeCloseTo(0)
})

it('is the difference to the best with one loss', () => {
  const improvement = new UncrowdedImprovement([[4], [2]], [10])
  expect(improvement.of([1])).toBe(1)
  expect(improvement.of([5])).toBe(-3)
  expect(improvement.of([12])).toBe(-10)
  expect(new UncrowdedImprovement([], [10]).of([12])).toBe(-2)
})

it('is not for three losses', () => {
  expect(() => new UncrowdedImprovement([], [1, 1, 1])).toThrow('Expected one or two losses, got 3.')
})
