import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rankOf } from '../../src/evaluation/onnx/label-ranks/rank-of.ts'
import { topHits } from '../../src/evaluation/onnx/label-ranks/top-hits.ts'
import type { Facts } from '../../src/evaluation/onnx/tasks/task.ts'
import { createRng } from '../../src/rng.ts'

function byDefinition({ examples, width, values }: Facts, classes: number, labels: Int32Array, k: number): number[] {
  return Array.from(examples, (example, i) => {
    const rank = rankOf(values, i * width, classes, labels[example]!)
    return Number.isNaN(rank) ? rank : Number(rank < k)
  })
}

const logit = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(-2, -1, -0, 0, 1, 2, 3) },
  { weight: 2, arbitrary: fc.float({ noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY) },
)

describe('whether a label is among the largest logits', () => {
  it('is what its rank says, whatever the logits and however many classes', () => {
    fc.assert(
      fc.property(
        fc.array(logit, { minLength: 1, maxLength: 23 }),
        fc.nat(),
        fc.nat(),
        fc.nat({ max: 4 }),
        fc.boolean(),
        (logits, n, at, extra, isBroken) => {
          const classes = logits.length
          const own = logits.with(at % classes, isBroken ? Number.NaN : logits[at % classes]!)
          // What lies around an example's logits is no concern of its rank.
          const row = [...own, ...new Array<number>(extra).fill(Number.NaN)]
          const facts = {
            examples: Int32Array.of(0, 1, 2),
            width: row.length,
            values: Float32Array.of(...row, ...row.map(() => 9), ...row),
          }
          const labels = Int32Array.of(n % classes, 0, classes - 1)
          for (const k of [1, 2, classes])
            expect([...topHits(facts, classes, labels, k)]).toEqual(byDefinition(facts, classes, labels, k))
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('is told of the examples asked for, through several tiles and numbers of classes one after another', () => {
    const rng = createRng(5)
    for (const [count, classes] of [
      [3000, 10],
      [3, 20_001],
      [2, 1],
      [5000, 3],
    ] as const) {
      const labels = Int32Array.from({ length: 2 * count }, () => rng.integer(0, classes))
      const facts = {
        examples: Int32Array.from({ length: count }, (_, i) => 2 * i + 1),
        width: classes,
        values: Float32Array.from({ length: count * classes }, () => rng.normal()),
      }
      const [found, wanted] = [topHits(facts, classes, labels, 2), byDefinition(facts, classes, labels, 2)]
      expect([...found]).toEqual(wanted)
    }
  })

  it('is told of float64 and of no examples', () => {
    const labels = Int32Array.of(1, 0)
    const facts = { examples: Int32Array.of(0, 1), width: 2, values: Float64Array.of(1, 1 + 1e-15, 1, 1 + 1e-15) }
    expect([...topHits(facts, 2, labels, 1)]).toEqual([1, 0])
    expect(topHits({ examples: new Int32Array(0), width: 2, values: new Float32Array(0) }, 2, labels, 1)).toHaveLength(
      0,
    )
  })
})
