import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hypervolume } from '../../../../src/archive/hypervolume.ts'
import { createRng } from '../../../../src/rng.ts'
import { type Boxes, nonDominatedBoxes } from '../../../../src/strategies/bayes/multi-objective/boxes.ts'

/** Volume of the part of the boxes that lies above `floor`. */
function volumeAbove(boxes: Boxes, floor: number): number {
  let volume = 0
  for (let k = 0; k < boxes.count; k++) {
    let product = 1
    for (let j = 0; j < boxes.m; j++) {
      const at = k * boxes.m + j
      product *= Math.max(0, boxes.upper[at]! - Math.max(floor, boxes.lower[at]!))
    }
    volume += product
  }
  return volume
}

function holders(boxes: Boxes, point: readonly number[]): number {
  let count = 0
  for (let k = 0; k < boxes.count; k++) {
    const at = k * boxes.m
    if (point.every((v, j) => v >= boxes.lower[at + j]! && v < boxes.upper[at + j]!)) count++
  }
  return count
}

const coordinate = fc.oneof(
  fc.integer({ min: 0, max: 6 }).map(i => i / 5),
  fc.double({ min: 0, max: 1.2, noNaN: true }),
)

for (const m of [2, 3]) {
  describe(`boxes of ${m} objectives`, () => {
    const front = fc.array(fc.array(coordinate, { minLength: m, maxLength: m }), { maxLength: 12 })
    const reference = new Array<number>(m).fill(1)

    it('cover what the points leave of the unit cube, duplicates and points outside included', () => {
      fc.assert(
        fc.property(front, points => {
          const left = volumeAbove(nonDominatedBoxes(points, reference), 0)
          expect(left).toBeCloseTo(1 - hypervolume(points, reference), 12)
        }),
      )
    })

    it('hold every point that is not dominated exactly once, and no other', () => {
      const rng = createRng(1)
      fc.assert(
        fc.property(front, points => {
          const boxes = nonDominatedBoxes(points, reference)
          for (let i = 0; i < 20; i++) {
            const probe = Array.from({ length: m }, () => 1.1 * rng.uniform() - 0.1)
            const dominated = points.some(point => point.every((v, j) => v <= probe[j]!)) || probe.some(v => v >= 1)
            expect(holders(boxes, probe)).toBe(dominated ? 0 : 1)
          }
        }),
      )
    })

    it('are few: at most three per point and one', () => {
      const rng = createRng(2)
      const sphere = Array.from({ length: 200 }, () => {
        const direction = Array.from({ length: m }, () => Math.abs(rng.normal()))
        const length = Math.hypot(...direction)
        return direction.map(v => 1 - v / length)
      })
      expect(nonDominatedBoxes(sphere, reference).count).toBeLessThanOrEqual(3 * 200 + 1)
    })
  })
}

describe('boxes', () => {
  it('are the whole space below the reference while there is no front', () => {
    expect(nonDominatedBoxes([], [2, 3])).toEqual({
      count: 1,
      m: 2,
      lower: Float64Array.of(-Infinity, -Infinity),
      upper: Float64Array.of(2, 3),
    })
  })

  it('are refused for one objective and for four', () => {
    expect(() => nonDominatedBoxes([], [1])).toThrow('Expected 2 or 3 objectives, got 1.')
    expect(() => nonDominatedBoxes([], [1, 1, 1, 1])).toThrow('Expected 2 or 3 objectives, got 4.')
  })
})
