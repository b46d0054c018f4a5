import { describe, expect, it } from 'vitest'
import { kendallTau } from '../../src/numerics/kendall-tau.ts'

describe('kendallTau', () => {
  it('is 1 for the same order and -1 for the opposite one', () => {
    expect(kendallTau([1, 2, 3, 4], [10, 20, 25, 90])).toBe(1)
    expect(kendallTau([1, 2, 3, 4], [4, 3, 2, 1])).toBe(-1)
  })

  it('counts concordant minus discordant pairs', () => {
    expect(kendallTau([1, 2, 3, 4], [1, 3, 2, 4])).toBeCloseTo((5 - 1) / 6, 12)
  })

  it('corrects for ties', () => {
    // Of six pairs one is tied in x, two in y: 4 concordant, 1 tied in both ... by hand: x ties {0,1}; y ties {0,1}, {2,3}.
    expect(kendallTau([1, 1, 2, 3], [1, 1, 2, 2])).toBeCloseTo(4 / Math.sqrt(5 * 4), 12)
  })

  it('is undefined where one side is constant', () => {
    expect(kendallTau([1, 1, 1], [1, 2, 3])).toBeUndefined()
    expect(kendallTau([], [])).toBeUndefined()
  })

  it('counts a point of weight 2 like the point twice, but for the tie of the two', () => {
    const weighted = kendallTau([1, 2, 3], [2, 1, 3], [2, 1, 1])
    expect(weighted).toBeCloseTo(kendallTau([1, 1, 2, 3], [2, 2, 1, 3])!, 12)
  })
})
