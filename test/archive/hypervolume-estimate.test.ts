import { describe, expect, it } from 'vitest'
import { hypervolume } from '../../src/archive/hypervolume.ts'
import { estimateHypervolume, sampleHypervolume } from '../../src/archive/hypervolume-estimate.ts'
import { createRng } from '../../src/rng.ts'

const cloud = (n: number, m: number, seed: number): number[][] => {
  const rng = createRng(seed)
  return Array.from({ length: n }, () => Array.from({ length: m }, () => rng.uniform()))
}

describe('sampleHypervolume', () => {
  it('holds the exact value in its interval nineteen times in twenty or more often', () => {
    const points = cloud(6, 7, 1)
    const reference = new Array<number>(7).fill(1)
    const exact = hypervolume(points, reference)
    let inside = 0
    for (let seed = 0; seed < 40; seed++) {
      const { value, low, high, isExact } = sampleHypervolume(points, reference, createRng(seed), 2000)
      expect(isExact).toBe(false)
      expect(low).toBeLessThanOrEqual(value)
      expect(high).toBeGreaterThanOrEqual(value)
      if (low <= exact && exact <= high) inside++
    }
    expect(inside).toBeGreaterThanOrEqual(38)
  })

  it('is the box itself for one point, and a function of the seed', () => {
    const reference = [2, 2, 2, 2, 2, 2, 2]
    const single = sampleHypervolume([[0, 1, 0, 1, 0, 1, 0]], reference, createRng(1), 100)
    expect(single.value).toBe(16)
    expect(single.high).toBe(16)
    const points = cloud(5, 7, 2)
    const once = sampleHypervolume(points, reference, createRng(3), 1000)
    expect(sampleHypervolume([...points].reverse(), reference, createRng(3), 1000)).toEqual(once)
    expect(sampleHypervolume(points, reference, createRng(4), 1000)).not.toEqual(once)
  })

  it('is nothing for points beyond the reference', () => {
    expect(sampleHypervolume([[3, 0]], [1, 1], createRng(1))).toEqual({ value: 0, low: 0, high: 0, isExact: true })
  })
})

describe('estimateHypervolume', () => {
  it('is exact up to six objectives and says so', () => {
    const points = cloud(8, 6, 3)
    const reference = new Array<number>(6).fill(1)
    const value = hypervolume(points, reference)
    expect(estimateHypervolume(points, reference, createRng(1))).toEqual({
      value,
      low: value,
      high: value,
      isExact: true,
    })
    const beyond = estimateHypervolume(
      points.map(p => [...p, 0]),
      [...reference, 1],
      createRng(1),
    )
    expect(beyond.isExact).toBe(false)
    expect(beyond.low).toBeLessThan(value)
    expect(beyond.high).toBeGreaterThan(value)
  })
})
