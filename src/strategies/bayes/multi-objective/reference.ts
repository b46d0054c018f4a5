/**
 * The reference point that hypervolume improvement is measured to: the objectives' own where some point is below it in every loss. Until then
 * nothing would be an improvement unless it met all of them at once, so that the point is moved out to the worst losses of the front
 * and a tenth of their range more.
 *
 * @param losses shape (n, m), finite, n >= 1. @param front those of them that none dominates. @param reference shape (m,), in loss space.
 */
export function effectiveReference(
  losses: readonly (readonly number[])[],
  front: readonly (readonly number[])[],
  reference: readonly number[],
): number[] {
  if (front.some(point => point.every((loss, i) => loss < reference[i]!))) return [...reference]
  return reference.map((limit, i) => {
    const [least, worst] = range(front, i)
    const width = worst - least
    // A front of one point has no range: that of all points stands in.
    const all = range(losses, i)
    return Math.max(limit, worst + 0.1 * (width || all[1] - all[0] || 1))
  })
}

function range(rows: readonly (readonly number[])[], i: number): readonly [number, number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const row of rows) {
    least = Math.min(least, row[i]!)
    most = Math.max(most, row[i]!)
  }
  return [least, most]
}
