/** Disjoint boxes of loss space that together are what no point of a front dominates, up to a reference point. */
export interface Boxes {
  readonly count: number
  /** Number of objectives m. */
  readonly m: number
  /** Lower corners, shape (count, m), -Infinity where a box has no end. */
  readonly lower: Float64Array
  /** Upper corners, shape (count, m), finite. */
  readonly upper: Float64Array
}

/** A strip of the plane: first loss in [x, next strip's x], second loss up to `y`; there since third loss `since`. */
interface Strip {
  readonly x: number
  readonly y: number
  readonly since: number
}

/**
 * The boxes for two or three objectives; O(n) of them for n points.
 *
 * In the plane they are the strips between neighbouring first losses. In space a sweep over the third loss adds point after point to those
 * strips, and a box ends where a point cuts its strip (K. Yang, M. Emmerich, A. Deutz, T. Bäck, "Efficient computation of expected
 * hypervolume improvement using box decomposition algorithms", J. Global Optimization 75, 2019, section 4).
 *
 * @param points shape (n, m), losses; any, dominated ones and those beyond the reference included.
 * @param reference shape (m,), finite, m = 2 or 3.
 */
export function nonDominatedBoxes(points: readonly (readonly number[])[], reference: readonly number[]): Boxes {
  const m = reference.length
  if (m !== 2 && m !== 3) throw new RangeError(`Expected 2 or 3 objectives, got ${m}.`)
  const [rx, ry] = [reference[0]!, reference[1]!]
  const inside = points.filter(point => point.every((loss, i) => loss < reference[i]!))
  const third = (point: readonly number[]): number => (m === 3 ? point[2]! : 0)
  const sorted = [...inside].sort((a, b) => third(a) - third(b))

  const lower: number[] = []
  const upper: number[] = []
  const close = (strip: Strip, end: number, until: number): void => {
    if (!(strip.x < end) || !(strip.since < until)) return
    lower.push(strip.x, Number.NEGATIVE_INFINITY)
    upper.push(end, strip.y)
    if (m === 3) {
      lower.push(strip.since)
      upper.push(until)
    }
  }

  // In the plane nothing may be closed before the last point: all points are there from the start.
  const start = Number.NEGATIVE_INFINITY
  let strips: readonly Strip[] = [{ x: Number.NEGATIVE_INFINITY, y: ry, since: start }]
  for (const point of sorted) {
    const now = m === 3 ? point[2]! : start
    strips = cut(strips, point[0]!, point[1]!, now, rx, close)
  }
  const until = m === 3 ? reference[2]! : 0
  for (const [i, strip] of strips.entries()) close(strip, strips[i + 1]?.x ?? rx, until)
  return { count: upper.length / m, m, lower: Float64Array.from(lower), upper: Float64Array.from(upper) }
}

/** The strips once the point (x, y) is there: above it and to its right all is dominated. */
function cut(
  strips: readonly Strip[],
  x: number,
  y: number,
  now: number,
  rx: number,
  close: (strip: Strip, end: number, until: number) => void,
): readonly Strip[] {
  const after: Strip[] = []
  let placed = false
  for (const [i, strip] of strips.entries()) {
    const end = strips[i + 1]?.x ?? rx
    if (end <= x || strip.y <= y) {
      after.push(strip)
      continue
    }
    close(strip, end, now)
    if (strip.x < x) after.push({ x: strip.x, y: strip.y, since: now })
    // One strip takes the place of all that were higher than y.
    if (!placed) after.push({ x, y, since: now })
    placed = true
  }
  return after
}
