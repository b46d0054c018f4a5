/**
 * The kernels of `assembly/index.ts` in plain TypeScript: the same operations in the same order, each rounded to float32, hence the
 * same bits. Read this to know what a merge computes; the tests compare both.
 */

const { fround } = Math

/** out = c1 x1 + c2 x2 + ... All arrays have the length of `out`. */
export function linearTwin(out: Float32Array, terms: readonly Float32Array[], coefficients: Float32Array): void {
  for (let i = 0; i < out.length; i++) {
    let s = fround(coefficients[0]! * terms[0]![i]!)
    for (let j = 1; j < terms.length; j++) s = fround(s + fround(coefficients[j]! * terms[j]![i]!))
    out[i] = s
  }
}

/** s = c1 (x1 − b) + c2 (x2 − b) + ...; out = b where s = 0, else b + s. */
export function taskArithmeticTwin(
  out: Float32Array,
  base: Float32Array,
  terms: readonly Float32Array[],
  coefficients: Float32Array,
): void {
  for (let i = 0; i < out.length; i++) {
    const b = base[i]!
    let s = fround(coefficients[0]! * fround(terms[0]![i]! - b))
    for (let j = 1; j < terms.length; j++) s = fround(s + fround(coefficients[j]! * fround(terms[j]![i]! - b)))
    out[i] = s === 0 ? b : fround(b + s)
  }
}
