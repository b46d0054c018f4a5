import { expect, it } from 'vitest'
import { varianceOfMean } from '../../src/numerics/variance-of-mean.ts'

it('is that of a proportion for counts, with one success and one failure added, and of a sample mean for graded scores', () => {
  expect(varianceOfMean([1, 1, 0, 1])).toBeCloseTo((4 / 6) * (2 / 6) * (1 / 4), 15)
  expect(varianceOfMean([1, 1, 1, 1])).toBeCloseTo((5 / 6) * (1 / 6) * (1 / 4), 15)
  expect(varianceOfMean([1, 2, 3, 6])).toBeCloseTo(14 / 3 / 4, 15)
})
