import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normalCdf } from '../../../src/numerics/normal.ts'
import { discreteMargin, IntegerMargin } from '../../../src/strategies/cma-es/integer-margin.ts'

/** Probability of the cells beside the mean's: below, above. */
function neighbours(margin: IntegerMargin, cells: number, mean: number, deviation: number): readonly [number, number] {
  const x = margin.scales[0]! * mean
  const width = margin.scales[0]! * deviation
  const home = margin.cell(0, x)
  const below = home === 0 ? 0 : normalCdf((home / cells - x) / width)
  const above = home === cells - 1 ? 0 : normalCdf((x - (home + 1) / cells) / width)
  return [below, above]
}

describe('discreteMargin', () => {
  it('leaves 27 % of the samples different from the most likely one when all genes are at their least', () => {
    for (const discrete of [1, 7, 100]) expect((1 - discreteMargin(discrete)) ** discrete).toBeCloseTo(0.73, 12)
  })
})

describe('IntegerMargin', () => {
  it('reads an integer off the cell, the outer ones reaching to infinity', () => {
    const margin = new IntegerMargin([4], 1)
    expect([-3, 0, 0.24, 0.26, 0.74, 0.76, 1, 9].map(x => margin.cell(0, x))).toEqual([0, 0, 0, 1, 2, 3, 3, 3])
  })

  it('gives both neighbours half the margin when the distribution has shrunk inside a cell', () => {
    const margin = new IntegerMargin([5], 3)
    const mean = Float64Array.of(0.5)
    margin.correct(mean, () => 1e-6, [true])
    const [below, above] = neighbours(margin, 5, mean[0]!, 1e-6)
    expect(below).toBeCloseTo(discreteMargin(3) / 2, 12)
    expect(above).toBeCloseTo(discreteMargin(3) / 2, 12)
    expect(margin.scales[0]! * mean[0]!).toBeCloseTo(0.5, 12)
  })

  it('gives the only neighbour of an outer cell the margin, from either side', () => {
    for (const [start, side] of [
      [0.1, 1],
      [0.9, 0],
    ] as const) {
      const margin = new IntegerMargin([5], 3)
      const mean = Float64Array.of(start)
      margin.correct(mean, () => 1e-6, [true])
      expect(neighbours(margin, 5, mean[0]!, 1e-6)[side]).toBeCloseTo(discreteMargin(3), 12)
      expect(margin.cell(0, margin.scales[0]! * mean[0]!)).toBe(start === 0.1 ? 0 : 4)
      // The mean is where it was before the update: in the middle of its cell.
      expect(margin.scales[0]! * mean[0]!).toBeCloseTo(start, 12)
    }
  })

  it('changes nothing where the neighbours are likely enough and mutations succeed', () => {
    const margin = new IntegerMargin([5], 3)
    const mean = Float64Array.of(0.47)
    margin.correct(mean, () => 0.1, [true])
    expect(margin.scales[0]).toBeCloseTo(1, 12)
    expect(mean[0]).toBeCloseTo(0.47, 12)
  })

  it('does not let the mutation rate grow while mutations fail', () => {
    const margin = new IntegerMargin([9], 2)
    const mean = Float64Array.of(0.5)
    margin.correct(mean, () => 1e-6, [true])
    const least = neighbours(margin, 9, mean[0]!, 1e-6)
    margin.correct(mean, () => 1e-5, [false])
    const kept = neighbours(margin, 9, mean[0]!, 1e-5)
    expect(kept[0] + kept[1]).toBeCloseTo(least[0] + least[1], 9)
    margin.correct(mean, () => 1e-4, [true])
    const free = neighbours(margin, 9, mean[0]!, 1e-4)
    expect(free[0] + free[1]).toBeGreaterThan(0.5)
  })

  it('keeps the mean in its cell and every neighbour at its least probability, from any state', () => {
    const state = fc.record({
      cells: fc.integer({ min: 2, max: 12 }),
      mean: fc.double({ min: -1, max: 2, noNaN: true }),
      deviation: fc.double({ min: 1e-9, max: 0.4, noNaN: true }),
      succeeded: fc.boolean(),
    })
    fc.assert(
      fc.property(state, ({ cells, mean: start, deviation, succeeded }) => {
        const margin = new IntegerMargin([cells], 4)
        const mean = Float64Array.of(start)
        const home = margin.cell(0, start)
        margin.correct(mean, () => deviation, [succeeded])
        expect(margin.cell(0, margin.scales[0]! * mean[0]!)).toBe(home)
        const [below, above] = neighbours(margin, cells, mean[0]!, deviation)
        const least = discreteMargin(4) / 2 - 1e-9
        if (home > 0) expect(below).toBeGreaterThan(least)
        if (home < cells - 1) expect(above).toBeGreaterThan(least)
      }),
      { numRuns: 300 },
    )
  })

  it('centers samples that left the cell, and takes the shift back from those that stayed', () => {
    const margin = new IntegerMargin([4, 0], 1)
    const points = [Float64Array.of(0.3, 7), Float64Array.of(0.4, 7), Float64Array.of(0.51, 7)]
    const sum = (): number => points.reduce((total, point) => total + point[0]!, 0)
    const before = sum()
    expect(margin.center(points, Float64Array.of(0.35, 0))).toEqual([true, false])
    expect(points[2]![0]).toBe(0.625)
    // 0.3 lies below the middle 0.375 of the mean's cell: moving up would add to the shift; 0.4 moves down as far as there is room.
    expect(points[0]![0]).toBe(0.3)
    expect(points[1]![0]).toBe(0.375)
    expect(points[0]![1]).toBe(7)
    expect(sum() - before).toBeCloseTo(0.115 - 0.025, 12)
  })

  it('leaves samples alone that all stayed', () => {
    const margin = new IntegerMargin([4], 1)
    const points = [Float64Array.of(0.3), Float64Array.of(0.4)]
    expect(margin.center(points, Float64Array.of(0.35))).toEqual([false])
    expect(points).toEqual([Float64Array.of(0.3), Float64Array.of(0.4)])
  })
})
