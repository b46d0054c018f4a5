import { expect, it } from 'vitest'
import { solveLinear } from '../../src/numerics/linear-solve.ts'
import { createRng } from '../../src/rng.ts'

it('solves a system, also where a pivot is zero, and leaves its arguments alone', () => {
  const a = Float64Array.of(0, 2, 1, 1, 0, 0, 3, 0, 1)
  const b = Float64Array.of(7, 1, 6)
  const before = [a.slice(), b.slice()]
  expect([...solveLinear(a, b)!]).toEqual([1, 2, 3])
  expect([a, b]).toEqual(before)
})

it('solves random systems to rounding', () => {
  const rng = createRng(1)
  for (let n = 1; n <= 12; n++) {
    const a = Float64Array.from({ length: n * n }, () => rng.normal())
    const x = Float64Array.from({ length: n }, () => rng.normal())
    const b = Float64Array.from({ length: n }, (_, i) => x.reduce((sum, v, j) => sum + a[i * n + j]! * v, 0))
    const solved = solveLinear(a, b)!
    for (let i = 0; i < n; i++) expect(solved[i]).toBeCloseTo(x[i]!, 8)
  }
})

it('says nothing of a singular system', () => {
  expect(solveLinear(Float64Array.of(1, 2, 2, 4), Float64Array.of(1, 2))).toBeUndefined()
  expect(solveLinear(Float64Array.of(0), Float64Array.of(1))).toBeUndefined()
  expect(solveLinear(Float64Array.of(Number.NaN), Float64Array.of(1))).toBeUndefined()
})
