import { compareLosses } from '../../archive/dominance.ts'

/**
 * Uncrowded hypervolume improvement (UHVI) of a point over a set, one or two losses: by how much the point raises the hypervolume,
 * or, where it does not, minus its distance to the region where it would. With one loss, the
 * difference to the best. Unlike the improvement itself it is nowhere flat, so a
 * dominated point knows its way to the front, and away from points that are there already.
 *
 * Source: C. Touré, N. Hansen, A. Auger, D. Brockhoff, "Uncrowded hypervolume improvement: COMO-CMA-ES and the Sofomore
 * framework", GECCO 2019, eq. 6-7.
 */
export class UncrowdedImprovement {
  readonly #reference: readonly number[]
  /** The non-dominated points below the reference: first losses ascending, second ones descending. */
  readonly #xs: number[] = []
  readonly #ys: number[] = []

  /**
   * @param points shape (n, m), m = 1 or 2.
   * @param reference shape (m,).
   */
  constructor(points: readonly (readonly number[])[], reference: readonly number[]) {
    if (reference.length < 1 || reference.length > 2)
      throw new RangeError(`Expected one or two losses, got ${reference.length}.`)
    this.#reference = reference
    let lowest = Infinity
    for (const point of points.filter(p => p.every((loss, i) => loss < reference[i]!)).sort(compareLosses)) {
      const last = point.at(-1)!
      if (last >= lowest) continue
      lowest = last
      this.#xs.push(point[0]!)
      this.#ys.push(last)
    }
  }

  /** @param point shape (m,), finite. */
  of(point: readonly number[]): number {
    const [x, y] = [point[0]!, point.at(-1)!]
    if (point.length === 1) return (this.#xs[0] ?? this.#reference[0]!) - x
    const improvement = this.#improvement(x, y)
    return improvement > 0 ? improvement : -this.#distance(x, y)
  }

  #improvement(x: number, y: number): number {
    const [rx, ry] = [this.#reference[0]!, this.#reference[1]!]
    if (x >= rx || y >= ry) return 0
    // Strip by strip between neighbouring first losses: the height from y up to what is covered there.
    let volume = 0
    let left = x
    let ceiling = ry
    for (let i = 0; i < this.#xs.length; i++) {
      const edge = this.#xs[i]!
      if (edge > left) {
        volume += (edge - left) * (ceiling - y)
        left = edge
      }
      ceiling = this.#ys[i]!
      if (ceiling <= y) return volume
    }
    return volume + (rx - left) * (ceiling - y)
  }

  /** To the nearest of the boxes, one per gap between neighbours, that together are the region not dominated. */
  #distance(x: number, y: number): number {
    let least = Infinity
    for (let i = 0; i <= this.#xs.length; i++) {
      const right = this.#xs[i] ?? this.#reference[0]!
      const top = this.#ys[i - 1] ?? this.#reference[1]!
      least = Math.min(least, Math.hypot(Math.max(0, x - right), Math.max(0, y - top)))
    }
    return least
  }
}
