/**
 * Cholesky factors A = L Lᵀ of growing matrices, in packed rows: row i of the lower triangle starts at i (i + 1) / 2, so a row can
 * be appended without moving the others.
 *
 * Every entry is one sum taken in column order, whether its row is factored alone or among others: appending rows one at a time
 * gives the same bits as factoring the whole matrix, which is what lets a restored model continue exactly.
 */

/** Start of row i, also the number of entries of an i × i triangle. */
export function packedOffset(i: number): number {
  return (i * (i + 1)) / 2
}

/**
 * Factors rows `from` to `to` - 1 in place: they hold A on entry and L on return; the rows before hold L already.
 * @param leastPivot squares of the diagonal that come out smaller, by rounding, are raised to it; 0: they are not.
 * @returns whether all pivots were positive numbers; if not, the rows are spoilt.
 */
export function choleskyRows(l: Float64Array, from: number, to: number, leastPivot = 0): boolean {
  let i = from
  for (; i + 4 <= to; i += 4) {
    eliminateFour(l, i)
    for (let row = i; row < i + 4; row++) if (!finishRow(l, row, i, leastPivot)) return false
  }
  for (; i < to; i++) if (!finishRow(l, i, 0, leastPivot)) return false
  return true
}

/**
 * The same in place for a covariance matrix, which may be singular: a variable that depends on those before it (its pivot is less than `least`
 * of its variance) gets a column of zeros.
 */
export function choleskySemidefinite(l: Float64Array, n: number, least = 1e-12): void {
  for (let i = 0, row = 0; i < n; row += ++i) {
    const bar = least * l[row + i]!
    for (let j = 0, rowJ = 0; j <= i; rowJ += ++j) {
      let sum = l[row + j]!
      for (let k = 0; k < j; k++) sum -= l[row + k]! * l[rowJ + k]!
      if (j === i) l[row + i] = sum > bar ? Math.sqrt(sum) : 0
      else l[row + j] = l[rowJ + j]! === 0 ? 0 : sum / l[rowJ + j]!
    }
  }
}

/** Columns 0 to i - 1 of the rows i to i + 3, four independent sums at a time. */
function eliminateFour(l: Float64Array, i: number): void {
  const a = packedOffset(i)
  const b = packedOffset(i + 1)
  const c = packedOffset(i + 2)
  const d = packedOffset(i + 3)
  for (let j = 0, rowJ = 0; j < i; rowJ += ++j) {
    let sa = l[a + j]!
    let sb = l[b + j]!
    let sc = l[c + j]!
    let sd = l[d + j]!
    for (let k = 0; k < j; k++) {
      const x = l[rowJ + k]!
      sa -= l[a + k]! * x
      sb -= l[b + k]! * x
      sc -= l[c + k]! * x
      sd -= l[d + k]! * x
    }
    const pivot = l[rowJ + j]!
    l[a + j] = sa / pivot
    l[b + j] = sb / pivot
    l[c + j] = sc / pivot
    l[d + j] = sd / pivot
  }
}

/** Columns `first` to i of row i; those before `first` are done. */
function finishRow(l: Float64Array, i: number, first: number, leastPivot: number): boolean {
  const row = packedOffset(i)
  for (let j = first, rowJ = packedOffset(first); j <= i; rowJ += ++j) {
    let sum = l[row + j]!
    for (let k = 0; k < j; k++) sum -= l[row + k]! * l[rowJ + k]!
    if (j === i && sum < leastPivot) sum = leastPivot
    if (j < i) l[row + j] = sum / l[rowJ + j]!
    else if (sum > 0 && sum < Number.POSITIVE_INFINITY) l[row + i] = Math.sqrt(sum)
    else return false
  }
  return true
}

/** b ← L⁻¹ b for the leading n × n triangle. */
export function solveLower(l: Float64Array, n: number, b: Float64Array): void {
  for (let i = 0, row = 0; i < n; row += ++i) {
    let s0 = b[i]!
    let s1 = 0
    let s2 = 0
    let s3 = 0
    let k = 0
    for (; k + 4 <= i; k += 4) {
      s0 -= l[row + k]! * b[k]!
      s1 -= l[row + k + 1]! * b[k + 1]!
      s2 -= l[row + k + 2]! * b[k + 2]!
      s3 -= l[row + k + 3]! * b[k + 3]!
    }
    for (; k < i; k++) s0 -= l[row + k]! * b[k]!
    b[i] = (s0 + s1 + (s2 + s3)) / l[row + i]!
  }
}

/** Four right-hand sides at once, interleaved: b[4 i + c] is entry i of side c. */
export function solveLowerFour(l: Float64Array, n: number, b: Float64Array): void {
  for (let i = 0, row = 0; i < n; row += ++i) {
    let s0 = b[4 * i]!
    let s1 = b[4 * i + 1]!
    let s2 = b[4 * i + 2]!
    let s3 = b[4 * i + 3]!
    for (let k = 0, at = 0; k < i; k++, at += 4) {
      const x = l[row + k]!
      s0 -= x * b[at]!
      s1 -= x * b[at + 1]!
      s2 -= x * b[at + 2]!
      s3 -= x * b[at + 3]!
    }
    const pivot = l[row + i]!
    b[4 * i] = s0 / pivot
    b[4 * i + 1] = s1 / pivot
    b[4 * i + 2] = s2 / pivot
    b[4 * i + 3] = s3 / pivot
  }
}

/** b ← L⁻ᵀ b for the leading n × n triangle. */
export function solveLowerTransposed(l: Float64Array, n: number, b: Float64Array): void {
  for (let i = n - 1; i >= 0; i--) {
    const row = packedOffset(i)
    const x = b[i]! / l[row + i]!
    b[i] = x
    for (let k = 0; k < i; k++) b[k] = b[k]! - x * l[row + k]!
  }
}

/** log det A = 2 Σ log L_ii. */
export function logDeterminant(l: Float64Array, n: number): number {
  let sum = 0
  for (let i = 0; i < n; i++) sum += Math.log(l[packedOffset(i) + i]!)
  return 2 * sum
}

/**
 * The lower triangle of A⁻¹, packed like L.
 * @param scratch as large as the result; holds L⁻¹ on return.
 */
export function invertFromCholesky(l: Float64Array, n: number, scratch: Float64Array, inverse: Float64Array): void {
  invertTriangle(l, n, scratch)
  inverse.fill(0, 0, packedOffset(n))
  // A⁻¹ = L⁻ᵀ L⁻¹: four rows of L⁻¹ at a time, so that each entry of the result is loaded and stored a quarter as often.
  let k = 0
  for (; k + 4 <= n; k += 4) {
    const a = packedOffset(k)
    const b = packedOffset(k + 1)
    const c = packedOffset(k + 2)
    const d = packedOffset(k + 3)
    for (let i = 0, row = 0; i <= k; row += ++i) {
      const xa = scratch[a + i]!
      const xb = scratch[b + i]!
      const xc = scratch[c + i]!
      const xd = scratch[d + i]!
      for (let j = 0; j <= i; j++) {
        inverse[row + j] =
          inverse[row + j]! +
          (xa * scratch[a + j]! + xb * scratch[b + j]! + (xc * scratch[c + j]! + xd * scratch[d + j]!))
      }
    }
    for (let m = k + 1; m < k + 4; m++) for (let i = k + 1; i <= m; i++) addOuterRow(scratch, m, i, inverse)
  }
  for (; k < n; k++) for (let i = 0; i <= k; i++) addOuterRow(scratch, k, i, inverse)
}

/** Row i of mᵀ m, with m the row `k` of L⁻¹, added to the result. */
function addOuterRow(m: Float64Array, k: number, i: number, inverse: Float64Array): void {
  const source = packedOffset(k)
  const row = packedOffset(i)
  const x = m[source + i]!
  for (let j = 0; j <= i; j++) inverse[row + j] = inverse[row + j]! + x * m[source + j]!
}

/** L⁻¹, row by row: row i is (e_i - Σ_{k<i} L_ik row_k) / L_ii. */
function invertTriangle(l: Float64Array, n: number, inverse: Float64Array): void {
  for (let i = 0; i < n; i++) {
    const row = packedOffset(i)
    inverse.fill(0, row, row + i)
    let k = 0
    for (; k + 4 <= i; k += 4) {
      const a = packedOffset(k)
      const b = packedOffset(k + 1)
      const c = packedOffset(k + 2)
      const d = packedOffset(k + 3)
      const xa = l[row + k]!
      const xb = l[row + k + 1]!
      const xc = l[row + k + 2]!
      const xd = l[row + k + 3]!
      for (let j = 0; j <= k; j++) {
        inverse[row + j] =
          inverse[row + j]! -
          (xa * inverse[a + j]! + xb * inverse[b + j]! + (xc * inverse[c + j]! + xd * inverse[d + j]!))
      }
      for (let m = k + 1; m < k + 4; m++) subtractRow(inverse, row, l[row + m]!, m, k + 1)
    }
    for (; k < i; k++) subtractRow(inverse, row, l[row + k]!, k, 0)
    const pivot = l[row + i]!
    for (let j = 0; j < i; j++) inverse[row + j] = inverse[row + j]! / pivot
    inverse[row + i] = 1 / pivot
  }
}

/** Subtracts x times columns `first` to m of row m from the row at `row`. */
function subtractRow(inverse: Float64Array, row: number, x: number, m: number, first: number): void {
  const source = packedOffset(m)
  for (let j = first; j <= m; j++) inverse[row + j] = inverse[row + j]! - x * inverse[source + j]!
}
