import type { Matrix } from 'ml-matrix'
import { mlMatrix } from '../../numerics/ml-matrix.ts'
import type { TensorInput } from './operator.ts'
import { combination } from './vectors.ts'

/** Matrices of the operators that work on singular vectors. A tensor of shape (rows, columns) is one; others have no singular vectors. */

/** Thin singular value decomposition A = U diag(s) Vᵀ: U (rows, r), s (r,) descending, V (columns, r), r = min(rows, columns). */
export interface Spectrum {
  readonly U: Matrix
  readonly s: readonly number[]
  readonly V: Matrix
}

export function asMatrix(values: Float64Array, shape: readonly number[]): Matrix {
  return mlMatrix().Matrix.from1DArray(shape[0]!, shape[1]!, values)
}

export function asVector(matrix: Matrix): Float64Array {
  return Float64Array.from(matrix.to1DArray())
}

export function decompose(A: Matrix): Spectrum {
  const svd = new (mlMatrix().SVD)(A, { autoTranspose: true })
  const r = Math.min(A.rows, A.columns)
  return {
    U: svd.leftSingularVectors.subMatrix(0, A.rows - 1, 0, r - 1),
    s: svd.diagonal.slice(0, r),
    V: svd.rightSingularVectors.subMatrix(0, A.columns - 1, 0, r - 1),
  }
}

/** U diag(s) Vᵀ. */
export function compose({ U, s, V }: Spectrum): Matrix {
  return U.clone()
    .mulRowVector([...s])
    .mmul(V.transpose())
}

/** The first k components. */
export function leading({ U, s, V }: Spectrum, k: number): Spectrum {
  const { Matrix } = mlMatrix()
  if (k === 0) return { U: new Matrix(U.rows, 0), s: [], V: new Matrix(V.rows, 0) }
  return {
    U: U.subMatrix(0, U.rows - 1, 0, k - 1),
    s: s.slice(0, k),
    V: V.subMatrix(0, V.rows - 1, 0, k - 1),
  }
}

/** Columns of all, side by side. */
export function besides(parts: readonly Matrix[]): Matrix {
  const whole = new (mlMatrix().Matrix)(
    parts[0]!.rows,
    parts.reduce((total, part) => total + part.columns, 0),
  )
  let at = 0
  for (const part of parts) {
    if (part.columns > 0) whole.setSubMatrix(part, 0, at)
    at += part.columns
  }
  return whole
}

/**
 * The nearest matrix with orthonormal columns (or rows): the polar factor U Vᵀ, the solution of the orthogonal Procrustes problem. Directions
 * whose singular value is zero to rounding are left out: any choice of them would be arbitrary.
 */
export function nearestOrthonormal(A: Matrix): Matrix {
  const { U, s, V } = decompose(A)
  const floor = 1e-12 * (s[0] ?? 0)
  return compose({ U, s: s.map(value => (value > floor ? 1 : 0)), V })
}

/** Whether an operator on singular vectors applies: matrices that are not embeddings or output heads. */
export function isSpectral({ shape, name }: Pick<TensorInput, 'shape' | 'name'>): boolean {
  return shape.length === 2 && Math.min(...shape) > 0 && !/embed|lm_head|wte|wpe/.test(name)
}

/** What such operators add to all other tensors: the mean task vector. */
export function meanOf(taus: readonly Float64Array[]): Float64Array {
  return combination(
    taus.map(() => 1 / taus.length),
    taus,
  )
}
