import { CholeskyDecomposition, inverse, Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import {
  choleskyRows,
  invertFromCholesky,
  logDeterminant,
  packedOffset,
  solveLower,
  solveLowerFour,
  solveLowerTransposed,
} from '../../src/numerics/cholesky.ts'
import { createRng } from '../../src/rng.ts'

/** A Aᵀ / n + I of normal entries, packed rows. */
function randomCovariance(n: number, seed: number): Float64Array {
  const rng = createRng(seed)
  const a = Array.from({ length: n }, () => Float64Array.from({ length: n }, () => rng.normal()))
  const packed = new Float64Array(packedOffset(n))
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      packed[packedOffset(i) + j] = a[i]!.reduce((sum, v, k) => sum + v * a[j]![k]!, 0) / n + (i === j ? 1 : 0)
    }
  }
  return packed
}

function dense(packed: Float64Array, n: number): Matrix {
  const matrix = Matrix.zeros(n, n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      matrix.set(i, j, packed[packedOffset(i) + j]!)
      matrix.set(j, i, packed[packedOffset(i) + j]!)
    }
  }
  return matrix
}

describe('the packed Cholesky factor', () => {
  for (const n of [1, 2, 3, 4, 5, 8, 13, 30]) {
    it(`agrees with ml-matrix for n = ${n}: factor, solves, inverse, determinant`, () => {
      const covariance = randomCovariance(n, n)
      const l = covariance.slice()
      expect(choleskyRows(l, 0, n)).toBe(true)
      const twin = new CholeskyDecomposition(dense(covariance, n)).lowerTriangularMatrix
      const b = Float64Array.from({ length: n }, (_, i) => Math.sin(i + 1))
      const lower = b.slice()
      solveLower(l, n, lower)
      const back = twin.mmul(Matrix.columnVector([...lower])).to1DArray()
      const both = lower.slice()
      solveLowerTransposed(l, n, both)
      const product = dense(covariance, n)
        .mmul(Matrix.columnVector([...both]))
        .to1DArray()
      for (let i = 0; i < n; i++) {
        for (let j = 0; j <= i; j++) expect(l[packedOffset(i) + j]).toBeCloseTo(twin.get(i, j), 12)
        expect(back[i]).toBeCloseTo(b[i]!, 12)
        expect(product[i]).toBeCloseTo(b[i]!, 12)
      }

      const four = new Float64Array(4 * n)
      for (let i = 0; i < n; i++) for (let lane = 0; lane < 4; lane++) four[4 * i + lane] = (lane + 1) * b[i]!
      solveLowerFour(l, n, four)
      for (let i = 0; i < n; i++)
        for (let lane = 0; lane < 4; lane++) {
          expect(four[4 * i + lane]).toBeCloseTo((lane + 1) * lower[i]!, 12)
        }

      const inverted = new Float64Array(packedOffset(n))
      invertFromCholesky(l, n, new Float64Array(packedOffset(n)), inverted)
      const expected = inverse(dense(covariance, n))
      for (let i = 0; i < n; i++) {
        for (let j = 0; j <= i; j++) expect(inverted[packedOffset(i) + j]).toBeCloseTo(expected.get(i, j), 11)
      }
      expect(logDeterminant(l, n)).toBeCloseTo(
        twin.diagonal().reduce((sum, v) => sum + 2 * Math.log(v), 0),
        11,
      )
    })
  }

  it('is the same to the last bit whether its rows come one at a time, in groups or all at once', () => {
    const n = 23
    const covariance = randomCovariance(n, 3)
    const whole = covariance.slice()
    choleskyRows(whole, 0, n)
    for (const cuts of [Array.from({ length: n }, (_, i) => i + 1), [7, 8, 20, 23], [1, 23], [6, 11, 23]]) {
      const grown = covariance.slice()
      let from = 0
      for (const to of cuts) {
        expect(choleskyRows(grown, from, to)).toBe(true)
        from = to
      }
      expect(grown).toEqual(whole)
    }
  })

  it('raises pivots that rounding made too small', () => {
    const l = Float64Array.of(4, 2, 1)
    expect(choleskyRows(l, 0, 2, 1e-6)).toBe(true)
    expect(l).toEqual(Float64Array.of(2, 1, 1e-3))
  })

  it('says when a matrix is not positive definite', () => {
    expect(choleskyRows(Float64Array.of(1, 2, 1), 0, 2)).toBe(false)
    expect(choleskyRows(Float64Array.of(0), 0, 1)).toBe(false)
    expect(choleskyRows(Float64Array.of(Number.NaN), 0, 1)).toBe(false)
    expect(choleskyRows(Float64Array.of(Number.NaN), 0, 1, 1e-9)).toBe(false)
    const covariance = randomCovariance(6, 1)
    covariance[packedOffset(4) + 4] = -1
    expect(choleskyRows(covariance, 0, 6)).toBe(false)
  })
})
