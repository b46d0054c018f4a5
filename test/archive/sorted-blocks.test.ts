import fc from 'fast-check'
import { expect, it } from 'vitest'
import { SortedBlocks } from '../../src/archive/sorted-blocks.ts'

const fill = (values: readonly number[]) => {
  const blocks = new SortedBlocks<number>()
  for (const value of values)
    blocks.insert(
      blocks.seek(item => item < value),
      value,
    )
  return blocks
}

// Enough values for several blocks, in whatever order.
const manyValues = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 0, maxLength: 2500, size: 'max' })

it('lists what was inserted in order, across blocks', () => {
  fc.assert(
    fc.property(manyValues, values => {
      const blocks = fill(values)
      expect([...blocks]).toEqual([...values].sort((a, b) => a - b))
      expect(blocks.size).toBe(values.length)
    }),
    { numRuns: 30 },
  )
})

it('finds an item and its neighbour like a plain array does', () => {
  fc.assert(
    fc.property(manyValues, fc.integer({ min: -1, max: 3001 }), (values, wanted) => {
      const blocks = fill(values)
      const sorted = [...values].sort((a, b) => a - b)
      const place = blocks.seek(item => item < wanted)
      expect(blocks.at(place)).toBe(sorted.find(item => item >= wanted))
      expect(blocks.before(place)).toBe(sorted.filter(item => item < wanted).at(-1))
    }),
    { numRuns: 30 },
  )
})

it('removes a stretch, or everything that matches, like a plain array does', () => {
  fc.assert(
    fc.property(manyValues, fc.integer({ min: 0, max: 3000 }), fc.boolean(), (values, from, stopEarly) => {
      const doomed = (item: number) => (stopEarly ? item < from + 700 : item % 3 === 0)
      const blocks = fill(values)
      const sorted = [...values].sort((a, b) => a - b)
      const removed = blocks.removeFrom(
        blocks.seek(item => item < from),
        doomed,
        stopEarly,
      )
      expect(removed).toEqual(sorted.filter(item => item >= from && doomed(item)))
      expect([...blocks]).toEqual(sorted.filter(item => item < from || !doomed(item)))
      expect(blocks.size).toBe(values.length - removed.length)
    }),
    { numRuns: 60 },
  )
})

it('replaces an item, and refuses to where there is none', () => {
  const blocks = fill([1, 2, 3])
  blocks.replace(
    blocks.seek(item => item < 2),
    20,
  )
  expect([...blocks]).toEqual([1, 20, 3])
  expect(() => blocks.replace({ block: 5, index: 0 }, 1)).toThrow('Expected a place that holds an item.')
})
