import { describe, expect, it } from 'vitest'
import { bulgeKnee, kneePoints, tradeOffKnees, tradeOffs } from '../../src/archive/knee-points.ts'

/** Two straight arms that meet at (a, a) in the unit square, n points each. */
const bent = (n: number, a: number): number[][] => [
  ...Array.from({ length: n }, (_, i) => [(a * i) / n, 1 - ((1 - a) * i) / n]),
  ...Array.from({ length: n + 1 }, (_, i) => [a + ((1 - a) * i) / n, a - (a * i) / n]),
]

describe('bulgeKnee', () => {
  it('is the corner of a bent front, whatever its units', () => {
    const front = bent(20, 0.2)
    expect(bulgeKnee(front)).toBe(20)
    expect(bulgeKnee(front.map(([x, y]) => [1000 * x! - 7, y! / 1000]))).toBe(20)
  })

  it('is nowhere on a straight front, on a front that bends away, and on none', () => {
    expect(bulgeKnee(bent(10, 0.5))).toBeUndefined()
    expect(bulgeKnee(bent(10, 0.8))).toBeUndefined()
    expect(bulgeKnee([])).toBeUndefined()
    expect(bulgeKnee([[1, 1]])).toBe(0)
  })
})

describe('tradeOffs', () => {
  it('is what leaving a point for a neighbour loses per what it gains', () => {
    // On a straight arm with slope 4 each step one way loses 4 per 1, the other way 1 per 4.
    const values = tradeOffs(bent(20, 0.2))
    expect(values[5]).toBeCloseTo(0.25, 10)
    expect(values[20]).toBeCloseTo(4, 10) // at the corner both ways lose
  })

  it('is Infinity for a point without neighbours', () => {
    expect([
      ...tradeOffs([
        [0, 1],
        [1, 0],
      ]),
    ]).toEqual([Infinity, Infinity])
  })
})

describe('tradeOffKnees', () => {
  it('is the corner of a bent front, in the plane and in space', () => {
    expect(tradeOffKnees(bent(20, 0.2))[0]).toBe(20)
    expect(tradeOffKnees(bent(20, 0.2).map(([x, y]) => [x!, y!, 0]))[0]).toBe(20)
  })

  it('is nobody on a straight front', () => {
    expect(tradeOffKnees(bent(10, 0.5))).toEqual([])
    expect(tradeOffKnees([])).toEqual([])
  })
})

describe('kneePoints', () => {
  it('names the corner of a bent front once, whichever rule finds it', () => {
    const front = bent(20, 0.2)
    expect(kneePoints(front)[0]).toBe(20)
    expect(kneePoints(front).filter(i => i === 20)).toEqual([20])
  })

  it('finds a knee of three losses, and none of one loss or of two points', () => {
    const side = [...Array(21).keys()]
    const grid = side.flatMap(i => side.filter(j => i + j <= 20).map(j => [i / 20, j / 20] as const))
    const plane = grid.map(([u, v]) => [u, v, 1 - u - v])
    const dented = plane.map((point, i) => (i === 100 ? point.map(v => v - 0.03) : point))
    expect(kneePoints(dented)).toEqual([100])
    expect(kneePoints([[1], [1], [1]])).toEqual([])
    expect(
      kneePoints([
        [0, 1],
        [1, 0],
      ]),
    ).toEqual([])
  })
})
