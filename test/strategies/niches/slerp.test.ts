import { expect, it } from 'vitest'
import { angle, slerpFactors } from '../../../src/strategies/niches/slerp.ts'

it('goes along a quarter circle between orthogonal vectors', () => {
  const Ω = angle(4, 0, 9)
  expect(Ω).toBeCloseTo(Math.PI / 2, 15)
  const [a, b] = slerpFactors(1 / 3, Ω)
  expect(a).toBeCloseTo(Math.cos(Math.PI / 6), 15)
  expect(b).toBeCloseTo(Math.sin(Math.PI / 6), 15)
})

it('starts at one vector and ends at the other', () => {
  for (const Ω of [angle(1, 0.3, 1), angle(2, -1, 3), undefined]) {
    const [start, end] = [slerpFactors(0, Ω), slerpFactors(1, Ω)]
    expect(start[0]).toBeCloseTo(1, 15)
    expect(start[1]).toBeCloseTo(0, 15)
    expect(end[0]).toBeCloseTo(0, 15)
    expect(end[1]).toBeCloseTo(1, 15)
  }
})

it('keeps the length between vectors of equal length', () => {
  const cos = 0.4
  for (const t of [0.1, 0.5, 0.8]) {
    const [a, b] = slerpFactors(t, angle(1, cos, 1))
    expect(a * a + b * b + 2 * a * b * cos).toBeCloseTo(1, 14)
  }
})

it('is a straight line where there is no angle to go along', () => {
  for (const [xx, xy, yy] of [
    [1, 1, 1],
    [1, -2, 4],
    [0, 0, 1],
    [0, 0, 0],
  ] as const) {
    expect(angle(xx, xy, yy)).toBeUndefined()
  }
  expect(slerpFactors(0.25, undefined)).toEqual([0.75, 0.25])
})
