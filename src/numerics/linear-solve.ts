/**
 * Solves A x = b by Gaussian elimination with partial pivoting; O(n³), for small systems.
 * @param a shape (n, n), row-major; not changed.
 * @param b shape (n,); not changed.
 * @returns shape (n,), or `undefined` if A is singular to working precision.
 */
export function solveLinear(a: Float64Array, b: Float64Array): Float64Array | undefined {
  const n = b.length
  const u = a.slice()
  const x = b.slice()
  const scale = u.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
  for (let k = 0; k < n; k++) {
    let pivot = k
    for (let i = k + 1; i < n; i++) if (Math.abs(u[i * n + k]!) > Math.abs(u[pivot * n + k]!)) pivot = i
    if (!(Math.abs(u[pivot * n + k]!) > scale * n * Number.EPSILON)) return undefined
    if (pivot !== k) {
      for (let j = k; j < n; j++) swap(u, k * n + j, pivot * n + j)
      swap(x, k, pivot)
    }
    for (let i = k + 1; i < n; i++) {
      const factor = u[i * n + k]! / u[k * n + k]!
      for (let j = k; j < n; j++) u[i * n + j]! -= factor * u[k * n + j]!
      x[i]! -= factor * x[k]!
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let j = i + 1; j < n; j++) x[i]! -= u[i * n + j]! * x[j]!
    x[i]! /= u[i * n + i]!
  }
  return x
}

function swap(values: Float64Array, i: number, j: number): void {
  const kept = values[i]!
  values[i] = values[j]!
  values[j] = kept
}
