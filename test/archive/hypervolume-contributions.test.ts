import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hypervolume } from '../../src/archive/hypervolume.ts'
import { gain, hypervolumeContributions } from '../../src/archive/hypervolume-contributions.ts'
import { createRng } from '../../src/rng.ts'

const gridSets = (m: number) =>
  fc.array(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: m, maxLength: m }), { maxLength: 9 })

describe('hypervolumeContributions', () => {
  for (const m of [1, 2, 3, 4, 5]) {
    it(`is what the hypervolume loses without the point, exactly on a grid, for ${m} objectives`, () => {
      fc.assert(
        fc.property(gridSets(m), points => {
          const reference = new Array<number>(m).fill(5)
          const whole = hypervolume(points, reference)
          expect([...hypervolumeContributions(points, reference)]).toEqual(
            points.map(
              (_, k) =>
                whole -
                hypervolume(
                  points.filter((_, i) => i !== k),
                  reference,
                ),
            ),
          )
        }),
        { numRuns: 300 },
      )
    })
  }

  it('agrees with differences on fronts of real numbers', () => {
    const rng = createRng(1)
    for (const m of [2, 3, 4]) {
      const points = Array.from({ length: 40 }, () => {
        const raw = Array.from({ length: m }, () => Math.abs(rng.normal()) + 1e-3)
        return raw.map(v => v / Math.hypot(...raw))
      })
      const reference = new Array<number>(m).fill(1.1)
      const whole = hypervolume(points, reference)
      const contributions = hypervolumeContributions(points, reference)
      for (const [k, value] of contributions.entries())
        expect(value).toBeCloseTo(
          whole -
            hypervolume(
              points.filter((_, i) => i !== k),
              reference,
            ),
          12,
        )
    }
  })

  it('has none for no points', () => {
    expect([...hypervolumeContributions([], [1, 1])]).toEqual([])
  })
})

describe('gain', () => {
  it('is what a point would add', () => {
    expect(gain([0, 0], [[1, 0.5]], [2, 2])).toBe(4 - 1.5)
  })
})
