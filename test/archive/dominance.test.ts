import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareLosses, dominates, nonDominatedSort, weaklyDominates } from '../../src/archive/dominance.ts'

const vectors = fc.integer({ min: 1, max: 4 }).chain(m =>
  fc.array(
    fc.array(fc.oneof({ weight: 20, arbitrary: fc.integer({ min: 0, max: 5 }) }, fc.constant(Number.NaN)), {
      minLength: m,
      maxLength: m,
    }),
    { maxLength: 30 },
  ),
)

describe('dominates', () => {
  it('needs no worse anywhere and better somewhere', () => {
    expect(dominates([1, 2], [1, 3])).toBe(true)
    expect(dominates([1, 2], [1, 2])).toBe(false)
    expect(dominates([1, 2], [0, 3])).toBe(false)
    expect(weaklyDominates([1, 2], [1, 2])).toBe(true)
  })

  it('never holds with a NaN on either side', () => {
    expect(dominates([0, Number.NaN], [1, 1])).toBe(false)
    expect(dominates([0, 0], [1, Number.NaN])).toBe(false)
    expect(weaklyDominates([Number.NaN], [Number.NaN])).toBe(false)
  })
})

describe('compareLosses', () => {
  it('orders by the first loss that differs', () => {
    expect(compareLosses([1, 5], [1, 4])).toBe(1)
    expect(compareLosses([0, 9], [1, 4])).toBe(-1)
    expect(compareLosses([0, -0], [-0, 0])).toBe(0)
  })
})

describe('nonDominatedSort', () => {
  it('peels fronts like the definition does', () => {
    fc.assert(
      fc.property(vectors, losses => {
        const expected: number[][] = []
        const incomparable = losses.flatMap((v, i) => (v.some(Number.isNaN) ? [i] : []))
        let rest = losses.flatMap((v, i) => (v.some(Number.isNaN) ? [] : [i]))
        while (rest.length > 0) {
          const front = rest.filter(i => !rest.some(j => dominates(losses[j]!, losses[i]!)))
          expected.push(front)
          rest = rest.filter(i => !front.includes(i))
        }
        if (incomparable.length > 0) expected.push(incomparable)
        expect(nonDominatedSort(losses)).toEqual(expected)
      }),
    )
  })

  it('has no fronts for no points', () => {
    expect(nonDominatedSort([])).toEqual([])
  })
})
