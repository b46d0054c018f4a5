/** Sweeps at most; ill-conditioned quadratics get near enough to their minimum long before. */
const MAX_SWEEPS = 200
/** A sweep that moves no coordinate by more than this share of its side ends the descent. */
const CONVERGED = 1e-12

/**
 * A local minimum of a quadratic in a box, by exact coordinate descent: along one coordinate a quadratic is the parabola through three
 * of its values, whose minimum over the side is its vertex or an end.
 *
 * @param q any quadratic; called 3 times per coordinate and sweep.
 * @param low shape (d,). @param high shape (d,), >= low. @param start shape (d,), in the box; not changed.
 */
export function minimizeInBox(
  q: (x: Float64Array) => number,
  low: Float64Array,
  high: Float64Array,
  start: Float64Array,
): Float64Array {
  const x = start.slice()
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let moved = 0
    for (let i = 0; i < x.length; i++) {
      const side = high[i]! - low[i]!
      if (!(side > 0)) continue
      const before = x[i]!
      const valueAt = (share: number): number => {
        x[i] = low[i]! + share * side
        return q(x)
      }
      const share = parabolaMinimum(valueAt(0), valueAt(0.5), valueAt(1), (before - low[i]!) / side)
      x[i] = share === 1 ? high[i]! : low[i]! + share * side
      moved = Math.max(moved, Math.abs(x[i]! - before) / side)
    }
    if (moved <= CONVERGED) break
  }
  return x
}

/** Where on [0, 1] the parabola with these values at 0, 1/2 and 1 is least; `flat` where it is level. */
function parabolaMinimum(at0: number, atHalf: number, at1: number, flat: number): number {
  const curvature = at0 - 2 * atHalf + at1
  const slope = at1 - at0
  const rounding = 1e-14 * Math.max(Math.abs(at0), Math.abs(atHalf), Math.abs(at1))
  if (Math.abs(curvature) <= rounding && Math.abs(slope) <= rounding) return flat
  if (curvature > rounding) return Math.min(1, Math.max(0, 0.5 - slope / (4 * curvature)))
  return at0 < at1 ? 0 : 1
}
