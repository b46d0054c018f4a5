/**
 * The area that points of the plane cover up to a reference point, one point after another: O(log n) to find a place, and a splice.
 * The corners are kept with `xs` ascending and `ys` descending, and a sentinel at either end.
 */
export class Staircase {
  #xs: number[] = []
  #ys: number[] = []
  #area = 0

  constructor(referenceX: number, referenceY: number) {
    this.reset(referenceX, referenceY)
  }

  get area(): number {
    return this.#area
  }

  reset(referenceX: number, referenceY: number): void {
    this.#xs = [-Infinity, referenceX]
    this.#ys = [referenceY, -Infinity]
    this.#area = 0
  }

  /** A point below the reference in both coordinates. */
  add(x: number, y: number): void {
    const [xs, ys] = [this.#xs, this.#ys]
    const at = firstAtLeast(xs, x)
    // Weakly dominated by its left neighbour, or by the corner with the same x: it covers nothing new.
    if (ys[at - 1]! <= y || (xs[at]! === x && ys[at]! <= y)) return
    // The corners from `at` to before `end` are no lower than the new one: it replaces them.
    let end = at
    let ceiling = ys[at - 1]!
    let left = x
    while (ys[end]! >= y) {
      this.#area += (xs[end]! - left) * (ceiling - y)
      left = xs[end]!
      ceiling = ys[end]!
      end++
    }
    this.#area += (xs[end]! - left) * (ceiling - y)
    xs.splice(at, end - at, x)
    ys.splice(at, end - at, y)
  }
}

/** Index of the first element >= x in an ascending array whose last element is >= x. */
function firstAtLeast(ascending: readonly number[], x: number): number {
  let low = 0
  let high = ascending.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ascending[middle]! < x) low = middle + 1
    else high = middle
  }
  return low
}
