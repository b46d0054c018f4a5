import { describe, expect, it } from 'vitest'
import {
  crowdedOrder,
  crowdingDistance,
  leastCrowded,
  selectByCrowding,
} from '../../../src/strategies/evolution/crowding.ts'

const line = [0, 1, 2, 3, 9, 10].map(x => [x, 10 - x])

describe('crowdingDistance', () => {
  it('is the gap between the neighbours as a share of the range, summed over the losses', () => {
    expect([...crowdingDistance(line)]).toEqual(
      [Infinity, 0.4, 0.4, 1.4, 1.4, Infinity].map(v => expect.closeTo(v, 12)),
    )
  })

  it('stands equal losses, one point and none', () => {
    expect([
      ...crowdingDistance([
        [1, 1],
        [1, 1],
        [1, 1],
      ]),
    ]).toEqual([Infinity, 0, Infinity])
    expect([...crowdingDistance([[1, 1]])]).toEqual([Infinity])
    expect([...crowdingDistance([])]).toEqual([])
  })
})

describe('leastCrowded', () => {
  it('removes one by one, so that a cluster is thinned and not removed', () => {
    // At once, 3 and 3.1 would go and leave a hole up to 7.
    const front = [0, 3, 3.1, 7, 10].map(x => [x, 10 - x])
    expect(leastCrowded(front, 3).map(i => front[i]![0])).toEqual([0, 3.1, 10])
    expect(leastCrowded(front, 9)).toEqual([0, 1, 2, 3, 4])
  })
})

describe('selectByCrowding', () => {
  it('takes whole fronts, then the roomiest of the next, and ranks them so', () => {
    const losses = [[9.5, 9.5], ...line, [0.5, 9]]
    const { survivors, ranks, crowding } = selectByCrowding(losses, 5)
    expect(survivors).toHaveLength(5)
    expect(survivors).not.toContain(0)
    expect(crowdedOrder([1, 0, 0, 0], [9, 1, Infinity, 1])).toEqual([3, 1, 0, 1])
    expect(ranks).toEqual([0, 0, 0, 0, 0])
    expect(crowding[survivors.indexOf(6)]).toBe(Infinity) // an extreme
    expect(Math.min(...crowding)).toBeLessThan(2)
    const both = selectByCrowding(
      [
        [0, 0],
        [1, 1],
      ],
      2,
    )
    expect(both).toEqual({ survivors: [0, 1], ranks: [0, 1], crowding: [Infinity, Infinity] })
  })
})
