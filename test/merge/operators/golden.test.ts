import { describe, expect, it } from 'vitest'
import { findOperator } from '../../../src/merge/operators/registry.ts'
import { gen } from '../fixture.ts'
import { apply, fingerprint } from './fixture.ts'
import { ROWS } from './golden-rows.ts'

describe('operators agree with an independent implementation', () => {
  it.each(ROWS)('%s', (_, operator, given, row) => {
    const found = fingerprint(apply(findOperator(operator), given))
    row.forEach((expected, i) => {
      expect(Math.abs(found[i]! - expected), `column ${i}: ${found[i]} for ${expected}`).toBeLessThanOrEqual(
        6e-9 * Math.abs(expected) + 6e-11,
      )
    })
  })

  it('arcee fusion, 16 × 8, two elements kept', () => {
    const from = Float64Array.from(gen(31, 128))
    const to = from.map((value, i) => value + gen(32, 128)[i]! / 8)
    const found = fingerprint(apply(findOperator('arcee_fusion'), { base: from, models: [to], shape: [16, 8] }), from)
    expect(found[0]).toBeCloseTo(9.91796875, 8)
    expect(found[1]).toBeCloseTo(1467.38208, 5)
    expect(found[2]).toBeCloseTo(0.48046875, 8)
  })
})
