import { describe, expect, it } from 'vitest'
import { isForWinner } from '../../src/strategies/winner-share.ts'

describe('the share of candidates for the winner', () => {
  it.each([0, 0.25, 0.5, 0.7, 1])('is %d of the first n, less than one apart, for every n', share => {
    let count = 0
    for (let id = 0; id < 200; id++) {
      if (isForWinner(id, share)) count++
      expect(Math.abs(count - share * (id + 1))).toBeLessThan(1)
    }
    expect(count).toBe(Math.floor(200 * share))
  })
})
