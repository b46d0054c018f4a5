/**
 * Reference directions: points evenly spread on the unit simplex of m objectives, coordinates >= 0 that sum to 1.
 *
 * Source: I. Das, J. E. Dennis, "Normal-boundary intersection", SIAM J. Optim. 8(3), 1998; in two layers: K. Deb, H. Jain, "An
 * evolutionary many-objective optimization algorithm using reference-point-based nondominated sorting approach, part I", IEEE
 * TEC 18(4), 2014, section IV: with many objectives the inner points of one layer come only with very many points.
 */

/** All points whose coordinates are multiples of 1 / divisions, shape (C(divisions + m - 1, m - 1), m), in lexicographic order. */
export function simplexLattice(m: number, divisions: number): Float64Array[] {
  const points: Float64Array[] = []
  const point = new Float64Array(m)
  const place = (i: number, left: number): void => {
    if (i === m - 1) {
      point[i] = left / divisions
      points.push(point.slice())
      return
    }
    for (let k = 0; k <= left; k++) {
      point[i] = k / divisions
      place(i + 1, left - k)
    }
  }
  place(0, divisions)
  return points
}

/** An outer lattice and an inner one, halfway to the centre. */
export function twoLayerLattice(m: number, outer: number, inner: number): Float64Array[] {
  return [...simplexLattice(m, outer), ...simplexLattice(m, inner).map(point => point.map(w => 0.5 * w + 0.5 / m))]
}

/**
 * The largest set with at most `most` directions (but at least the m corners), shape (n, m): one layer where that has inner points
 * (divisions >= m), two layers where not.
 */
export function referenceDirections(m: number, most: number): Float64Array[] {
  if (m === 1) return [Float64Array.of(1)]
  let divisions = 1
  while (latticeSize(m, divisions + 1) <= most) divisions++
  if (divisions >= m) return simplexLattice(m, divisions)
  let outer = divisions
  while (outer > 1 && latticeSize(m, outer) + latticeSize(m, outer - 1) > most) outer--
  let inner = 0
  while (inner < outer && latticeSize(m, outer) + latticeSize(m, inner + 1) <= most) inner++
  return inner === 0 ? simplexLattice(m, divisions) : twoLayerLattice(m, outer, inner)
}

/** C(divisions + m - 1, m - 1). */
export function latticeSize(m: number, divisions: number): number {
  let size = 1
  for (let i = 1; i < m; i++) size = (size * (divisions + i)) / i
  return Math.round(size)
}
