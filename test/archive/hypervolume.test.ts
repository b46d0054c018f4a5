import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hypervolume } from '../../src/archive/hypervolume.ts'
import { createRng } from '../../src/rng.ts'

/** Σ over non-empty subsets S of (-1)^(|S|+1) · volume of the intersection of the boxes of S: the definition of a union. */
function byInclusionExclusion(points: readonly (readonly number[])[], reference: readonly number[]): number {
  let volume = 0
  for (let subset = 1; subset < 1 << points.length; subset++) {
    const chosen = points.filter((_, i) => subset & (1 << i))
    const box = reference.reduce((v, r, i) => v * Math.max(0, r - Math.max(...chosen.map(p => p[i]!))), 1)
    volume += chosen.length % 2 === 1 ? box : -box
  }
  return volume
}

const gridSets = (m: number) =>
  fc.array(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: m, maxLength: m }), { maxLength: 9 })

describe('hypervolume', () => {
  for (const m of [1, 2, 3, 4, 5]) {
    it(`equals inclusion and exclusion on a grid, where both are exact integers, for ${m} objectives`, () => {
      fc.assert(
        fc.property(gridSets(m), points => {
          const reference = Array.from({ length: m }, () => 5) // on the grid: some points touch it, and count nothing
          expect(hypervolume(points, reference)).toBe(byInclusionExclusion(points, reference))
        }),
        { numRuns: 300 },
      )
    })

    it(`does not depend on the order of points, on duplicates or on dominated points, for ${m} objectives`, () => {
      fc.assert(
        fc.property(gridSets(m), points => {
          const reference = Array.from({ length: m }, () => 6)
          const more = [...points, ...points.map(p => p.map(x => x + 1)), ...points].reverse()
          expect(hypervolume(more, reference)).toBe(hypervolume(points, reference))
        }),
      )
    })

    it(`is the product of the sides for one box, for ${m} objectives`, () => {
      const point = Array.from({ length: m }, (_, i) => -i)
      expect(
        hypervolume(
          [point],
          Array.from({ length: m }, () => 2),
        ),
      ).toBe(point.reduce((v, x) => v * (2 - x), 1))
    })
  }

  it('adds up the steps of a staircase in the plane', () => {
    // n points on a diagonal of unit steps: the triangle n (n + 1) / 2.
    const n = 1000
    const points = Array.from({ length: n }, (_, i) => [i, n - 1 - i])
    expect(hypervolume(points, [n, n])).toBe((n * (n + 1)) / 2)
  })

  it('adds up the cubes of a simplex staircase in space', () => {
    // Points with i + j + k = n - 1 and reference (n, n, n) cover the cubes with i + j + k >= n - 1: n³ less those below.
    const n = 12
    const points = []
    for (let i = 0; i < n; i++) for (let j = 0; i + j < n; j++) points.push([i, j, n - 1 - i - j])
    const uncovered = ((n - 1) * n * (n + 1)) / 6
    expect(hypervolume(points, [n, n, n])).toBe(n ** 3 - uncovered)
    // A fourth loss that all share only stretches the volume: the general algorithm must agree with the sweep.
    expect(
      hypervolume(
        points.map(p => [...p, 0]),
        [n, n, n, 3],
      ),
    ).toBe(3 * (n ** 3 - uncovered))
  })

  it('approaches the cube less the eighth of a ball for a dense spherical front', () => {
    const points = []
    const n = 160
    for (let a = 0; a <= n; a++)
      for (let b = 0; b <= n; b++) {
        const [theta, phi] = [(a / n) * (Math.PI / 2), (b / n) * (Math.PI / 2)]
        points.push([Math.sin(theta) * Math.cos(phi), Math.sin(theta) * Math.sin(phi), Math.cos(theta)])
      }
    const limit = 1 - Math.PI / 6 // reference (1, 1, 1), losses on the unit sphere
    const volume = hypervolume(points, [1, 1, 1])
    expect(volume).toBeLessThan(limit)
    expect(volume).toBeGreaterThan(limit - 0.02)
  })

  it('has the closed form of a front sampled along its boundary, to rounding', () => {
    // n points on a curve y = f(x) at x_i: the dominated area is Σ (x_{i+1} - x_i) (r - f(x_i)), here for ZDT1's and ZDT2's fronts.
    for (const f of [(x: number) => 1 - Math.sqrt(x), (x: number) => 1 - x * x]) {
      const xs = Array.from({ length: 1001 }, (_, i) => i / 1000)
      const expected = xs.reduce((sum, x, i) => sum + ((xs[i + 1] ?? 1.1) - x) * (1.1 - f(x)), 0)
      const volume = hypervolume(
        xs.map(x => [x, f(x)]),
        [1.1, 1.1],
      )
      expect(Math.abs(volume / expected - 1)).toBeLessThan(1e-12)
    }
    // The plane x + y + z = 1 on a lattice with n divisions, reference (1, 1, 1): what is left is a staircase below the simplex.
    const n = 40
    const points = []
    for (let i = 0; i <= n; i++) for (let j = 0; i + j <= n; j++) points.push([i / n, j / n, (n - i - j) / n])
    const expected = 1 - ((n + 1) * (n + 2) * n) / 6 / n ** 3
    expect(Math.abs(hypervolume(points, [1, 1, 1]) / expected - 1)).toBeLessThan(1e-12)
  })

  it('equals inclusion and exclusion on random sets of four to six objectives', () => {
    const rng = createRng(17)
    for (let round = 0; round < 200; round++) {
      const m = 4 + (round % 3)
      const points = Array.from({ length: 7 }, () => Array.from({ length: m }, () => rng.uniform()))
      const reference = new Array<number>(m).fill(1)
      const expected = byInclusionExclusion(points, reference)
      expect(Math.abs(hypervolume(points, reference) / expected - 1)).toBeLessThan(1e-11)
    }
  })

  it('agrees between the sweep and the general algorithm on real-valued points', () => {
    const rng = createRng(3)
    for (let round = 0; round < 20; round++) {
      const points = Array.from({ length: 60 }, () => [rng.uniform(), rng.uniform(), rng.uniform()])
      const padded = points.map(p => [...p, 0])
      expect(hypervolume(padded, [1, 1, 1, 1])).toBeCloseTo(hypervolume(points, [1, 1, 1]), 12)
    }
  })

  it('gives nothing to points that do not reach below the reference in every loss, or that hold a NaN', () => {
    expect(
      hypervolume(
        [
          [0, 1],
          [1, 0],
          [Number.NaN, 0],
          [-5, 3],
        ],
        [1, 1],
      ),
    ).toBe(0)
    expect(hypervolume([], [1, 1])).toBe(0)
    expect(
      hypervolume(
        [
          [0, 2],
          [0.5, 0.5],
        ],
        [1, 1],
      ),
    ).toBe(0.25)
  })

  it('stands many points with one objective', () => {
    const points = Array.from({ length: 300_000 }, (_, i) => [i])
    expect(hypervolume(points, [10])).toBe(10)
  })

  it('says what it was given when it cannot measure', () => {
    expect(() => hypervolume([[1]], [1, 2])).toThrow('Expected points of 2 losses like the reference, got 1.')
    expect(() => hypervolume([[1]], [Infinity])).toThrow('Expected a finite reference point, got [Infinity].')
    expect(() => hypervolume([], [])).toThrow('Expected a reference point with at least one coordinate, got none.')
    expect(() => hypervolume([[0, -Infinity]], [1, 1])).toThrow('Expected finite losses, got [0, -Infinity].')
  })
})
