/** Plain float64 loops that the operators share. Shapes are (n,) throughout. */

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

export function norm(a: Float64Array): number {
  return Math.sqrt(dot(a, a))
}

export function sumOfMagnitudes(a: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]!)
  return sum
}

/** a − b. */
export function difference(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - b[i]!)
}

/** a + b. */
export function sum(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + b[i]!)
}

/** Σ c_j x_j, in order. */
export function combination(coefficients: readonly number[], vectors: readonly Float64Array[]): Float64Array {
  const out = new Float64Array(vectors[0]!.length)
  for (const [j, x] of vectors.entries()) {
    const c = coefficients[j]!
    if (c === 0) continue
    for (let i = 0; i < out.length; i++) out[i]! += c * x[i]!
  }
  return out
}

/** The task vectors τ_j = x_j − W0. */
export function taskVectors(models: readonly Float64Array[], base: Float64Array): Float64Array[] {
  return models.map(x => difference(x, base))
}

export function isZero(a: Float64Array): boolean {
  return a.every(value => value === 0)
}

/** Whether x is b, element by element. */
export function isZeroDelta(x: Float64Array, b: Float64Array): boolean {
  return x.every((value, i) => value === b[i]!)
}
