/** Σ c_i x_i², unbounded. */
export function weighted(curvatures: readonly number[]): (x: ArrayLike<number>) => number {
  return x => curvatures.reduce((sum, c, i) => sum + c * x[i]! ** 2, 0)
}

export const ellipsoidal = (n: number): ((x: ArrayLike<number>) => number) =>
  weighted(Array.from({ length: n }, (_, i) => 10 ** ((6 * i) / (n - 1))))

export const cigar = (n: number): ((x: ArrayLike<number>) => number) =>
  weighted(Array.from({ length: n }, (_, i) => (i === 0 ? 1 : 1e6)))
