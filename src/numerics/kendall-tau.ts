/**
 * Kendall's rank correlation with ties, τ_b (M. G. Kendall, Biometrika 33(3), 1945), each pair counted with the product of its
 * points' weights:
 *
 *     τ_b = Σ w_i w_j sign(x_i - x_j) sign(y_i - y_j) / √(Σ_{x_i ≠ x_j} w_i w_j · Σ_{y_i ≠ y_j} w_i w_j)
 *
 * @param x shape (n,). @param y shape (n,). @param weights shape (n,), >= 0; all 1 unless given.
 * @returns -1..1, or `undefined` where one of them is constant. O(n²).
 */
export function kendallTau(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  weights?: ArrayLike<number>,
): number | undefined {
  let concordance = 0
  let untiedX = 0
  let untiedY = 0
  for (let i = 0; i < x.length; i++) {
    for (let j = 0; j < i; j++) {
      const weight = weights === undefined ? 1 : weights[i]! * weights[j]!
      const dx = Math.sign(x[i]! - x[j]!)
      const dy = Math.sign(y[i]! - y[j]!)
      concordance += weight * dx * dy
      if (dx !== 0) untiedX += weight
      if (dy !== 0) untiedY += weight
    }
  }
  return untiedX > 0 && untiedY > 0 ? concordance / Math.sqrt(untiedX * untiedY) : undefined
}
