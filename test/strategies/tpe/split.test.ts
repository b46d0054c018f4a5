import { describe, expect, it } from 'vitest'
import { bestSubset } from '../../../src/strategies/tpe/split.ts'

describe('the best subset', () => {
  it('of one objective is the lowest losses, the earlier of equals', () => {
    expect(bestSubset([[3], [1], [2], [1], [1]], 2)).toEqual([1, 3])
  })

  it('is everything where there is not more', () => {
    expect(bestSubset([[3], [1]], 2)).toEqual([0, 1])
    expect(bestSubset([], 0)).toEqual([])
  })

  it('of several objectives is front by front', () => {
    expect(
      bestSubset(
        [
          [2, 2],
          [1, 1],
          [3, 3],
          [0, 5],
        ],
        3,
      ),
    ).toEqual([0, 1, 3])
  })

  it('of a front that does not fit is what covers most: the middle and then the ends, not neighbours', () => {
    const front = [
      [0, 10],
      [4.9, 5.1],
      [5, 5],
      [5.1, 4.9],
      [10, 0],
    ]
    expect(bestSubset(front, 1)).toEqual([2])
    expect(bestSubset(front, 3)).toEqual([0, 2, 4])
  })

  it('of equal losses is the earliest', () => {
    expect(
      bestSubset(
        [
          [1, 1],
          [1, 1],
          [1, 1],
        ],
        2,
      ),
    ).toEqual([0, 1])
  })
})
