import { describe, expect, it } from 'vitest'
import { minimizeInBox } from '../../src/numerics/box-quadratic.ts'

const low = Float64Array.of(0, 0)
const high = Float64Array.of(1, 2)

describe('minimizeInBox', () => {
  it('finds the minimum of a convex quadratic inside the box', () => {
    const q = (x: Float64Array) => (x[0]! - 0.3) ** 2 + 2 * (x[1]! - 1.5) ** 2 + 0.8 * (x[0]! - 0.3) * (x[1]! - 1.5)
    const x = minimizeInBox(q, low, high, Float64Array.of(1, 0))
    expect(x[0]).toBeCloseTo(0.3, 9)
    expect(x[1]).toBeCloseTo(1.5, 9)
  })

  it('stops at the bounds', () => {
    expect([...minimizeInBox(x => (x[0]! + 5) ** 2 + (x[1]! - 9) ** 2, low, high, Float64Array.of(0.5, 0.5))]).toEqual([
      0, 2,
    ])
  })

  it('goes to the better end where a coordinate curves down', () => {
    expect([
      ...minimizeInBox(x => -((x[0]! - 0.4) ** 2) - (x[1]! - 1.9) ** 2, low, high, Float64Array.of(0.4, 1.9)),
    ]).toEqual([1, 0])
  })

  it('leaves the start alone where nothing changes, and sides without length', () => {
    const start = Float64Array.of(0.25, 0.75)
    expect(minimizeInBox(() => 7, low, high, start)).toEqual(start)
    const flat = Float64Array.of(0.5, 2)
    expect(minimizeInBox(x => x[0]! + x[1]!, flat, Float64Array.of(0.5, 3), Float64Array.of(0.5, 3))).toEqual(flat)
  })
})
