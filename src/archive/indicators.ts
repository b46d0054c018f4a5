/** How good a set of points is, next to a reference set or from several points of view. All losses are minimised; smaller is better. */

type Points = readonly (readonly number[])[]

/**
 * IGD+: the mean over a reference set of the distance to the nearest point, where only what a point is worse counts. Unlike plain IGD
 * it never prefers a dominated set.
 *
 * Source: H. Ishibuchi, H. Masuda, Y. Tanigaki, Y. Nojima, "Modified distance calculation in generational distance and inverted
 * generational distance", EMO 2015, eq. 18.
 * @param points shape (n, m). @param targets shape (k, m), k >= 1.
 */
export function igdPlus(points: Points, targets: Points): number {
  return mean(targets, target =>
    least(points, point => Math.hypot(...point.map((loss, i) => Math.max(0, loss - target[i]!)))),
  )
}

/**
 * R2: the mean over weight vectors of the best weighted Chebyshev value, max_i w_i |p_i - ideal_i|.
 *
 * Source: M. P. Hansen, A. Jaszkiewicz, "Evaluating the quality of approximations to the non-dominated set", 1998; in this form
 * D. Brockhoff, T. Wagner, H. Trautmann, "On the properties of the R2 indicator", GECCO 2012, definition 3.
 * @param points shape (n, m). @param weights shape (k, m), k >= 1, evenly spread on the simplex. @param ideal shape (m,).
 */
export function r2(points: Points, weights: readonly ArrayLike<number>[], ideal: readonly number[]): number {
  return mean(weights, w =>
    least(points, point => point.reduce((most, loss, i) => Math.max(most, w[i]! * Math.abs(loss - ideal[i]!)), 0)),
  )
}

/**
 * Additive ε: by how much every point would have to improve in every loss for the set to weakly dominate the reference set.
 *
 * Source: E. Zitzler, L. Thiele, M. Laumanns, C. M. Fonseca, V. Grunert da Fonseca, "Performance assessment of multiobjective
 * optimizers", IEEE TEC 7(2), 2003, section IV-B.
 * @param points shape (n, m). @param targets shape (k, m), k >= 1.
 */
export function additiveEpsilon(points: Points, targets: Points): number {
  return targets.reduce(
    (most, target) =>
      Math.max(
        most,
        least(points, point => point.reduce((worst, loss, i) => Math.max(worst, loss - target[i]!), -Infinity)),
      ),
    -Infinity,
  )
}

/** Infinity for no points: nothing is near. */
function least(points: Points, measure: (point: readonly number[]) => number): number {
  return points.reduce((smallest, point) => Math.min(smallest, measure(point)), Infinity)
}

function mean<T>(items: readonly T[], measure: (item: T) => number): number {
  if (items.length === 0) throw new RangeError('Expected a reference set or weights, got none.')
  return items.reduce((sum, item) => sum + measure(item), 0) / items.length
}
