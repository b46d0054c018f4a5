import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { eachSoftmax, type SoftmaxSums } from '../../src/evaluation/onnx/language/softmax/softmax.ts'
import { softmaxSumsTwin } from '../../src/evaluation/onnx/language/softmax/twin.ts'
import { createRng } from '../../src/rng.ts'

function sumsOf(logits: Float32Array, first: number, count: number, size: number): readonly SoftmaxSums[] {
  const found: SoftmaxSums[] = []
  eachSoftmax(logits, first, count, size, (row, sums) => {
    expect(row).toBe(found.length)
    found.push({ ...sums })
  })
  return found
}

/** As the definition has it. */
function byDefinition(row: Float32Array): SoftmaxSums {
  const max = row.reduce((most, z) => (z > most ? z : most), Number.NEGATIVE_INFINITY)
  const powers = Array.from(row, z => Math.exp(z - max))
  return {
    max,
    best: Math.max(0, row.indexOf(max)),
    sum: powers.reduce((sum, p) => sum + p, 0),
    weighted: powers.reduce((sum, p, i) => (p === 0 ? sum : sum + (row[i]! - max) * p), 0),
  }
}

const logit = fc.oneof(
  { weight: 8, arbitrary: fc.float({ min: -60, max: 60, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NEGATIVE_INFINITY, Number.NaN, -3e38, 3e38, 0, -0) },
)

describe('sums of a softmax', () => {
  it('are the bits of the plain twin, whatever the logits', () => {
    fc.assert(
      fc.property(fc.array(logit, { minLength: 1, maxLength: 40 }), values => {
        const row = Float32Array.from(values)
        expect(sumsOf(row, 0, 1, row.length)).toEqual([softmaxSumsTwin(row)])
      }),
      { numRuns: 2000 },
    )
  })

  it('are those of the definition to 1e-14', () => {
    const rng = createRng(3)
    for (const size of [1, 2, 3, 4, 257, 1000]) {
      const row = Float32Array.from({ length: size }, () => 8 * rng.normal())
      const [found] = sumsOf(row, 0, 1, size)
      const wanted = byDefinition(row)
      expect(found).toMatchObject({ max: wanted.max, best: wanted.best })
      expect(Math.abs(found!.sum / wanted.sum - 1)).toBeLessThan(1e-14)
      expect(Math.abs(found!.weighted - wanted.weighted)).toBeLessThan(1e-14 * Math.max(1, -wanted.weighted))
    }
  })

  it('are of the rows asked for, through several tiles and sizes one after another', () => {
    const rng = createRng(4)
    for (const [rows, size] of [
      [700, 257],
      [3, 70_001],
      [500, 260],
      [1, 4],
    ] as const) {
      const logits = Float32Array.from({ length: rows * size }, () => 8 * rng.normal())
      const first = Math.min(1, rows - 1)
      const wanted = Array.from({ length: rows - first }, (_, i) =>
        softmaxSumsTwin(logits.subarray((first + i) * size, (first + i + 1) * size)),
      )
      expect(sumsOf(logits, first, rows - first, size)).toEqual(wanted)
    }
  })

  it('tell a broken row, and take the first of equal logits', () => {
    const [broken, even] = sumsOf(Float32Array.of(1, Number.NaN, 3, 2, 5, 5), 0, 2, 3)
    expect(broken).toEqual({ max: 3, best: 2, sum: Number.NaN, weighted: Number.NaN })
    expect(even).toMatchObject({ max: 5, best: 1 })
    const nothing = sumsOf(new Float32Array(4).fill(Number.NEGATIVE_INFINITY), 0, 1, 4)
    expect(nothing).toEqual([{ max: Number.NEGATIVE_INFINITY, best: 0, sum: Number.NaN, weighted: Number.NaN }])
  })
})
