import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exampleOrder } from '../../src/evaluation/example-order.ts'
import { rangesToScore, unionOfRanges } from '../../src/evaluation/example-range.ts'

const strata = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 200 })

describe('the order of examples', () => {
  it('has every example once', () => {
    fc.assert(
      fc.property(strata, fc.string(), (labels, name) => {
        expect([...exampleOrder(labels, name)].sort((a, b) => a - b)).toEqual(labels.map((_, i) => i))
      }),
    )
  })

  it('gives every stratum its share in every prefix, within Tijdeman’s bound', () => {
    fc.assert(
      fc.property(strata, labels => {
        const n = labels.length
        const sizes = new Map(labels.map(label => [label, labels.filter(other => other === label).length]))
        const bound = sizes.size > 1 ? 1 - 1 / (2 * sizes.size - 2) : 0
        const taken = new Map<number, number>()
        exampleOrder(labels, 'a').forEach((example, t) => {
          taken.set(labels[example]!, (taken.get(labels[example]!) ?? 0) + 1)
          for (const [label, size] of sizes)
            expect(Math.abs((taken.get(label) ?? 0) - (size * (t + 1)) / n)).toBeLessThanOrEqual(bound + 1e-12)
        })
      }),
    )
  })

  it('is another one under another name, and the same under the same', () => {
    const labels = Array.from({ length: 60 }, (_, i) => i % 3)
    expect(exampleOrder(labels, 'a')).toEqual(exampleOrder(labels, 'a'))
    expect(exampleOrder(labels, 'a')).not.toEqual(exampleOrder(labels, 'b'))
  })

  it('does not follow the file inside a stratum', () => {
    const order = [...exampleOrder(new Int32Array(50), 'a')]
    expect(order).not.toEqual(order.toSorted((a, b) => a - b))
    expect(order.slice(0, 25).reduce((sum, i) => sum + i, 0) / 25).toBeGreaterThan(15)
    expect(order.slice(0, 25).reduce((sum, i) => sum + i, 0) / 25).toBeLessThan(34)
  })
})

describe('ranges of examples', () => {
  it('are all examples where none are asked for', () => {
    expect(rangesToScore(undefined, [3, 0])).toEqual([
      { begin: 0, end: 3 },
      { begin: 0, end: 0 },
    ])
  })

  it('are joined where they touch or overlap, and hold the same examples', () => {
    const range = fc.tuple(fc.nat(30), fc.nat(10)).map(([begin, length]) => ({ begin, end: begin + length }))
    fc.assert(
      fc.property(fc.array(range), ranges => {
        const members = (list: readonly { begin: number; end: number }[]): number[] =>
          list.flatMap(({ begin, end }) => Array.from({ length: end - begin }, (_, i) => begin + i))
        const union = unionOfRanges(ranges)
        expect(members(union)).toEqual([...new Set(members(ranges))].sort((a, b) => a - b))
        union.forEach(({ begin }, i) => {
          if (i > 0) expect(begin).toBeGreaterThan(union[i - 1]!.end)
        })
      }),
    )
  })
})
