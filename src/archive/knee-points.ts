/** Points of a front where a little of one objective costs much of another: what to look at first. */

type Points = readonly (readonly number[])[]

/** Points closer than this, in normalised losses, are neighbours. */
const RADIUS = 0.125

/**
 * All knees of a front: with two losses the one that bulges most, then those whose trade-off stands out, largest first. None where
 * there are fewer than three points, or one loss only.
 * @param front shape (n, m), mutually non-dominated.
 * @returns indices, each once.
 */
export function kneePoints(front: Points): number[] {
  const m = front[0]?.length ?? 0
  if (front.length < 3 || m < 2) return []
  const bulge = m === 2 ? bulgeKnee(front) : undefined
  return [...new Set([...(bulge === undefined ? [] : [bulge]), ...tradeOffKnees(front)])]
}

/**
 * The knee of a front of two losses: the point furthest below the line through the two extremes, on the front scaled to the unit
 * square. `undefined` where no point lies below it.
 *
 * Source: I. Das, "On characterizing the 'knee' of the Pareto curve based on normal-boundary intersection", Structural Optimization
 * 18, 1999.
 * @param front shape (n, 2), mutually non-dominated.
 * @returns index.
 */
export function bulgeKnee(front: Points): number | undefined {
  const scaled = normalized(front)
  let knee: number | undefined
  let furthest = 1e-12 // of 1 - x - y: zero on the line, up to rounding
  for (const [i, [x, y]] of scaled.entries()) {
    const below = 1 - x! - y!
    if (below > furthest) {
      furthest = below
      knee = i
    }
  }
  return knee
}

/**
 * Trade-off per point: the least, over its neighbours, of what leaving it for that neighbour loses, per what it gains. Infinity for a
 * point without neighbours.
 *
 * Source: L. Rachmawati, D. Srinivasan, "Multiobjective evolutionary algorithm with controllable focus on the knees of the Pareto
 * front", IEEE TEC 13(4), 2009, eq. 4.
 * @param front shape (n, m), mutually non-dominated.
 * @returns shape (n,).
 */
export function tradeOffs(front: Points): Float64Array {
  const scaled = normalized(front)
  return Float64Array.from(scaled, (point, i) => {
    let least = Infinity
    for (const [j, other] of scaled.entries()) {
      if (i === j || Math.hypot(...point.map((v, k) => v - other[k]!)) > RADIUS) continue
      let loss = 0
      let gained = 0
      for (const [k, v] of point.entries()) {
        loss += Math.max(0, other[k]! - v)
        gained += Math.max(0, v - other[k]!)
      }
      if (gained > 0) least = Math.min(least, loss / gained)
    }
    return least
  })
}

/** The points whose trade-off stands out: above the upper quartile by 1.5 quartile ranges (J. W. Tukey, 1977), largest first. */
export function tradeOffKnees(front: Points): number[] {
  const values = tradeOffs(front)
  const finite = [...values].filter(Number.isFinite).sort((a, b) => a - b)
  if (finite.length < 4) return []
  const [lower, upper] = [quantile(finite, 0.25), quantile(finite, 0.75)]
  const fence = upper + 1.5 * (upper - lower)
  return [...values.keys()]
    .filter(i => Number.isFinite(values[i]!) && values[i]! > fence)
    .sort((a, b) => values[b]! - values[a]! || a - b)
}

/** @param ascending at least one value. */
function quantile(ascending: readonly number[], share: number): number {
  const at = share * (ascending.length - 1)
  const [below, above] = [ascending[Math.floor(at)]!, ascending[Math.ceil(at)]!]
  return below + (at - Math.floor(at)) * (above - below)
}

/** Each loss as a share of the front's range; 0 where all are equal. */
function normalized(front: Points): number[][] {
  const low = front[0]?.map((_, k) => front.reduce((least, point) => Math.min(least, point[k]!), Infinity)) ?? []
  const high = low.map((_, k) => front.reduce((most, point) => Math.max(most, point[k]!), -Infinity))
  return front.map(point => point.map((loss, k) => (loss - low[k]!) / (high[k]! - low[k]! || 1)))
}
