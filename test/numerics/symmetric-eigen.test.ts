import fc from 'fast-check'
import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { SymmetricEigen } from '../../src/numerics/symmetric-eigen.ts'
import { createRng } from '../../src/rng.ts'

/** max |A v - λ v| and max |V Vᵀ - I|, both relative to what they are compared with. */
function errors(a: Float64Array, d: number, eigen: SymmetricEigen): { residual: number; orthogonality: number } {
  const { values, vectors } = eigen
  const size = Math.max(...a.map(Math.abs)) || 1
  let residual = 0
  let orthogonality = 0
  for (let k = 0; k < d; k++) {
    for (let i = 0; i < d; i++) {
      let av = 0
      let dot = 0
      for (let j = 0; j < d; j++) {
        av += (a[i * d + j]! / size) * vectors[k * d + j]!
        dot += vectors[k * d + j]! * vectors[i * d + j]!
      }
      residual = Math.max(residual, Math.abs(av - (values[k]! / size) * vectors[k * d + i]!))
      orthogonality = Math.max(orthogonality, Math.abs(dot - (i === k ? 1 : 0)))
    }
  }
  return { residual: residual / Math.max(1, Math.sqrt(d)), orthogonality }
}

function decompose(a: Float64Array, d: number): SymmetricEigen {
  const eigen = new SymmetricEigen(d)
  eigen.decompose(a)
  expect([...eigen.values]).toEqual([...eigen.values].sort((x, y) => x - y))
  const { residual, orthogonality } = errors(a, d, eigen)
  expect(residual).toBeLessThan(1e-13)
  expect(orthogonality).toBeLessThan(1e-13)
  return eigen
}

function symmetric(d: number, entry: (i: number, j: number) => number): Float64Array {
  const a = new Float64Array(d * d)
  for (let i = 0; i < d; i++) {
    for (let j = 0; j <= i; j++) {
      a[i * d + j] = entry(i, j)
      a[j * d + i] = a[i * d + j]!
    }
  }
  return a
}

describe('SymmetricEigen', () => {
  it('handles a single number', () => {
    const eigen = decompose(Float64Array.of(-3), 1)
    expect([...eigen.values]).toEqual([-3])
    expect(Math.abs(eigen.vectors[0]!)).toBe(1)
  })

  it('agrees with the closed form for 2 x 2', () => {
    const eigen = decompose(Float64Array.of(2, 1, 1, 2), 2)
    expect(eigen.values[0]).toBeCloseTo(1, 14)
    expect(eigen.values[1]).toBeCloseTo(3, 14)
  })

  it('sorts a diagonal matrix exactly', () => {
    const diagonal = [3, -1, 0, 3, 1e-9, -7]
    const eigen = decompose(
      symmetric(6, (i, j) => (i === j ? diagonal[i]! : 0)),
      6,
    )
    expect([...eigen.values]).toEqual([...diagonal].sort((a, b) => a - b))
  })

  it('decomposes the zero matrix', () => {
    expect([...decompose(new Float64Array(16), 4).values]).toEqual([0, 0, 0, 0])
  })

  it('finds 2 - 2 cos(k π / (d + 1)) for the second difference matrix', () => {
    const d = 30
    const eigen = decompose(
      symmetric(d, (i, j) => (i === j ? 2 : i - j === 1 ? -1 : 0)),
      d,
    )
    for (let k = 1; k <= d; k++) {
      expect(Math.abs(eigen.values[k - 1]! - (2 - 2 * Math.cos((k * Math.PI) / (d + 1))))).toBeLessThan(1e-14)
    }
  })

  it('gives an orthonormal basis for repeated eigenvalues', () => {
    const d = 12
    const eigen = decompose(
      symmetric(d, (i, j) => (i === j ? 2 : 1)),
      d,
    ) // I + 11ᵀ
    for (let k = 0; k < d - 1; k++) expect(eigen.values[k]).toBeCloseTo(1, 13)
    expect(eigen.values[d - 1]).toBeCloseTo(d + 1, 12)
  })

  for (const d of [2, 3, 7, 20, 60]) {
    it(`agrees with ml-matrix on a random matrix, d = ${d}`, () => {
      const rng = createRng(d)
      const a = symmetric(d, () => rng.normal())
      const oracle = new EigenvalueDecomposition(Matrix.from1DArray(d, d, a), { assumeSymmetric: true })
      const expected = [...oracle.realEigenvalues].sort((x, y) => x - y)
      const { values } = decompose(a, d)
      for (let k = 0; k < d; k++) expect(Math.abs(values[k]! - expected[k]!)).toBeLessThan(1e-13 * d)
    })
  }

  it('keeps its accuracy for block matrices, matrices of rank one, and strong grading', () => {
    const d = 10
    const rng = createRng(1)
    const v = Float64Array.from({ length: d }, () => rng.normal())
    decompose(
      symmetric(d, (i, j) => v[i]! * v[j]!),
      d,
    )
    decompose(
      symmetric(d, (i, j) => (i < 5 === j < 5 ? rng.normal() : 0)),
      d,
    )
    decompose(
      symmetric(d, (i, j) => 10 ** -(i + j)),
      d,
    )
    decompose(
      symmetric(d, (i, j) => 10 ** (i + j - 18)),
      d,
    )
  })

  it('neither overflows nor underflows', () => {
    const rng = createRng(2)
    for (const scale of [1e300, 1e-300])
      decompose(
        symmetric(6, () => scale * rng.normal()),
        6,
      )
  })

  it('meets its residual on arbitrary symmetric matrices, with one instance used again and again', () => {
    const eigen = new SymmetricEigen(4)
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 10, maxLength: 10 }),
        lower => {
          const a = symmetric(4, (i, j) => lower[(i * (i + 1)) / 2 + j]!)
          eigen.decompose(a)
          const { residual, orthogonality } = errors(a, 4, eigen)
          return residual < 1e-13 && orthogonality < 1e-13
        },
      ),
    )
  })

  it('reads the lower triangle only and leaves the matrix alone', () => {
    const a = Float64Array.of(2, Number.NaN, 1, 2)
    const eigen = new SymmetricEigen(2)
    eigen.decompose(a)
    expect([...a]).toEqual([2, Number.NaN, 1, 2])
    expect(eigen.values[1]).toBeCloseTo(3, 14)
  })

  it('refuses what it cannot decompose', () => {
    expect(() => new SymmetricEigen(0)).toThrow('Expected a positive matrix dimension, got 0.')
    expect(() => new SymmetricEigen(2).decompose(new Float64Array(3))).toThrow('Expected 2 x 2 entries, got 3.')
    expect(() => new SymmetricEigen(2).decompose(Float64Array.of(1, 0, Number.NaN, 1))).toThrow(
      'Expected finite entries, got NaN at (1, 0).',
    )
  })
})
