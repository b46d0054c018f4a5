import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { gridCells, voronoiCells } from '../../../src/strategies/niches/cells.ts'

describe('a grid of cells', () => {
  it('has a cell for the perfect candidate and for those beyond the bounds', () => {
    const cells = gridCells(2, 10)
    expect(cells.count).toBe(100)
    expect(cells.cellOf([0, 0])).toBe(0)
    expect(cells.cellOf([1, 1])).toBe(99)
    expect(cells.cellOf([1.5, -0.5])).toBe(90)
    expect(cells.cellOf([0.25, 0.99])).toBe(29)
  })

  it('is one cell where there is no axis', () => {
    expect(gridCells(0, 15).count).toBe(1)
    expect(gridCells(0, 15).cellOf([])).toBe(0)
  })
})

describe('Voronoi cells', () => {
  it('are reached about equally often, each, by uniform points', () => {
    const cells = voronoiCells(3, 20, createRng(1))
    const rng = createRng(2)
    const hits = new Float64Array(20)
    for (let i = 0; i < 20_000; i++) hits[cells.cellOf([rng.uniform(), rng.uniform(), rng.uniform()])]!++
    expect(Math.min(...hits)).toBeGreaterThan(400)
    expect(Math.max(...hits)).toBeLessThan(1800)
  })

  it('are a function of the seed', () => {
    const at = (seed: number) => voronoiCells(4, 10, createRng(seed)).cellOf([0.1, 0.9, 0.4, 0.6])
    expect(at(5)).toBe(at(5))
  })
})
