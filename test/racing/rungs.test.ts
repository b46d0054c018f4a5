import fc from 'fast-check'
import { expect, it } from 'vitest'
import { rungRanges, rungSizes } from '../../src/racing/rungs.ts'

it('a rung has three times the examples of the one before, the first 20 or a 27th, as many of each objective as it has', () => {
  expect(rungSizes([200], 3)).toEqual([[23], [67], [200]])
  expect(rungSizes([1000], 3)).toEqual([[38], [112], [334], [1000]])
  expect(rungSizes([15], 3)).toEqual([[15]])
  expect(rungSizes([540, 100, 0], 3)).toEqual([
    [20, 20, 0],
    [60, 60, 0],
    [180, 100, 0],
    [540, 100, 0],
  ])
})

it('rungs are nested, end with everything, and their ranges hold each example once', () => {
  const counts = fc.array(fc.nat(5000), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(counts, fc.integer({ min: 2, max: 5 }), (n, eta) => {
      const sizes = rungSizes(n, eta)
      expect(sizes.at(-1)).toEqual(n)
      sizes.forEach((_, k) => {
        rungRanges(sizes, k).forEach(({ begin, end }, i) => {
          expect(begin).toBe(k === 0 ? 0 : sizes[k - 1]![i])
          expect(end).toBeGreaterThanOrEqual(begin)
          expect(end).toBeLessThanOrEqual(n[i]!)
        })
      })
    }),
  )
})
