import { expect, it } from 'vitest'
import { hypervolume } from '../../src/archive/hypervolume.ts'
import { hypervolumeSubset } from '../../src/archive/hypervolume-subset.ts'
import { createRng } from '../../src/rng.ts'

const volumeOf = (points: readonly number[][], chosen: readonly number[], reference: readonly number[]): number =>
  hypervolume(
    chosen.map(i => points[i]!),
    reference,
  )

it('chooses what a plain greedy search chooses', () => {
  const rng = createRng(1)
  for (const m of [2, 3, 4]) {
    const points = Array.from({ length: 40 }, () => {
      const raw = Array.from({ length: m }, () => rng.uniform())
      return raw.map(v => v / Math.hypot(...raw))
    })
    const reference = new Array<number>(m).fill(1)
    const expected: number[] = []
    while (expected.length < 8) {
      const volumes = points.map((_, i) => volumeOf(points, [...expected, i], reference))
      expected.push(volumes.indexOf(Math.max(...volumes)))
    }
    expect(hypervolumeSubset(points, 8, reference)).toEqual(expected)
  }
})

it('has at least 1 - 1/e of the best subset', () => {
  const rng = createRng(2)
  for (let round = 0; round < 10; round++) {
    const points = Array.from({ length: 12 }, () => [rng.uniform(), rng.uniform(), rng.uniform()])
    const reference = [1, 1, 1]
    let best = 0
    for (let a = 0; a < 12; a++)
      for (let b = 0; b < a; b++)
        for (let c = 0; c < b; c++) best = Math.max(best, volumeOf(points, [a, b, c], reference))
    const greedy = volumeOf(points, hypervolumeSubset(points, 3, reference), reference)
    expect(greedy).toBeGreaterThanOrEqual((1 - 1 / Math.E) * best)
  }
})

it('leaves out what adds nothing', () => {
  const points = [
    [0.5, 0.5],
    [0.5, 0.5],
    [0.7, 0.7],
    [2, 0],
    [0.2, 0.8],
  ]
  expect(hypervolumeSubset(points, 5, [1, 1])).toEqual([0, 4])
  expect(hypervolumeSubset([], 3, [1, 1])).toEqual([])
})
