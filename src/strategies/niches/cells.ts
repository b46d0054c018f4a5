import type { Rng } from '../../rng.ts'

/** A division of [0, 1]^n into cells; coordinates outside belong to the cell at the border. */
export interface Cells {
  readonly count: number
  cellOf(point: readonly number[]): number
}

/** `bins` equal parts on each of n axes. 1 belongs to the last part, so that a perfect candidate has a cell. n = 0: one cell. */
export function gridCells(n: number, bins: number): Cells {
  return {
    count: bins ** n,
    cellOf: point => point.reduce((cell, u) => cell * bins + Math.min(bins - 1, Math.max(0, Math.floor(u * bins))), 0),
  }
}

/** Sample points of a centroidal Voronoi tessellation per cell, and rounds of Lloyd's algorithm: enough for even cells. */
const [SAMPLES_PER_CELL, ROUNDS] = [25, 15]

/**
 * `count` cells of about equal size around centroids, however many axes there are: a centroidal Voronoi tessellation (V. Vassiliades,
 * K. Chatzilygeroudis, J.-B. Mouret, IEEE TEC 22(4), 2018), by k-means on uniform samples.
 */
export function voronoiCells(n: number, count: number, rng: Rng): Cells {
  const draw = (): Float64Array => Float64Array.from({ length: n }, () => rng.uniform())
  const samples = Array.from({ length: SAMPLES_PER_CELL * count }, draw)
  const centroids = samples.slice(0, count).map(point => point.slice())
  const cellOf = (point: ArrayLike<number>): number => {
    let cell = 0
    let least = Number.POSITIVE_INFINITY
    for (const [k, centroid] of centroids.entries()) {
      let distance = 0
      for (let i = 0; i < n; i++) distance += (Math.min(1, Math.max(0, point[i]!)) - centroid[i]!) ** 2
      if (distance < least) [cell, least] = [k, distance]
    }
    return cell
  }
  for (let round = 0; round < ROUNDS; round++) {
    const sums = centroids.map(() => new Float64Array(n))
    const sizes = new Float64Array(count)
    for (const point of samples) {
      const k = cellOf(point)
      sizes[k]!++
      for (let i = 0; i < n; i++) sums[k]![i]! += point[i]!
    }
    for (const [k, sum] of sums.entries()) if (sizes[k]! > 0) centroids[k] = sum.map(value => value / sizes[k]!)
  }
  return { count, cellOf }
}
