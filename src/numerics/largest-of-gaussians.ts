import { inverseMillsRatio, normalLogCdf } from './normal.ts'

/** Below the end of the range by this much in the logarithm the integrand no longer counts. */
const NEGLIGIBLE = 36
/** log Φ is below -NEGLIGIBLE - 4 at this many deviations under the mean. */
const FAR = 9

/** Expected improvement of the largest of independent Gaussians, by quadrature. */
export class LargestOfGaussians {
  /** Derivatives of the latest value that was asked for with them, shape (k,). */
  readonly byLocation: Float64Array
  readonly byScale: Float64Array
  readonly #logs = new Float64Array(NODES.length)

  /** @param k how many Gaussians. */
  constructor(k: number) {
    this.byLocation = new Float64Array(k)
    this.byScale = new Float64Array(k)
  }

  /**
   * log E max(best - max_i Y_i, 0), Y_i ~ N(locations_i, scales_i²) independent: log ∫_{-∞}^{best} Π_i Φ((t - locations_i) / scales_i) dt.
   * @param locations shape (k,). @param scales shape (k,), positive.
   */
  logExpectedImprovement(
    locations: Float64Array,
    scales: Float64Array,
    best: number,
    withDerivatives: boolean,
  ): number {
    const range = rangeBelow(locations, scales, best)
    const logs = this.#logs
    let largest = Number.NEGATIVE_INFINITY
    for (let q = 0; q < logs.length; q++) {
      const t = best - range * NODES[q]!
      let log = 0
      for (let i = 0; i < locations.length; i++) log += normalLogCdf((t - locations[i]!) / scales[i]!)
      logs[q] = log
      if (log > largest) largest = log
    }
    let sum = 0
    for (let q = 0; q < logs.length; q++) sum += WEIGHTS[q]! * Math.exp(logs[q]! - largest)
    if (withDerivatives) this.#differentiate(locations, scales, best, range, largest, sum)
    return largest + Math.log(sum * range)
  }

  #differentiate(
    locations: Float64Array,
    scales: Float64Array,
    best: number,
    range: number,
    largest: number,
    sum: number,
  ): void {
    const { byLocation, byScale } = this
    byLocation.fill(0)
    byScale.fill(0)
    for (let q = 0; q < NODES.length; q++) {
      const share = (WEIGHTS[q]! * Math.exp(this.#logs[q]! - largest)) / sum
      if (share === 0) continue
      const t = best - range * NODES[q]!
      for (let i = 0; i < locations.length; i++) {
        const z = (t - locations[i]!) / scales[i]!
        // d log Φ(z) = φ/Φ dz, with dz = -(dM + z dS) / S.
        const slope = (share * inverseMillsRatio(z)) / scales[i]!
        byLocation[i]! -= slope
        byScale[i]! -= slope * z
      }
    }
  }
}

/** How far below `best` the integrand counts. Its logarithm is concave: it lies below its tangent, and below that of each factor. */
function rangeBelow(locations: Float64Array, scales: Float64Array, best: number): number {
  let log = 0
  let slope = 0
  let start = Number.NEGATIVE_INFINITY
  for (let i = 0; i < locations.length; i++) {
    const z = (best - locations[i]!) / scales[i]!
    log += normalLogCdf(z)
    slope += inverseMillsRatio(z) / scales[i]!
    start = Math.max(start, locations[i]! - FAR * scales[i]!)
  }
  const byTangent = NEGLIGIBLE / slope
  return log > -4 ? Math.min(byTangent, best - start) : byTangent
}

/** Gauss-Legendre quadrature on [0, 1]: 32 points by Newton's method on the Legendre polynomial (M. Abramowitz, I. Stegun, 1964, 25.4.30). */
const [NODES, WEIGHTS] = legendre(32)

function legendre(n: number): readonly [Float64Array, Float64Array] {
  const nodes = new Float64Array(n)
  const weights = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5))
    let slope = 1
    for (let step = 0; step < 20; step++) {
      let [before, value] = [1, x]
      for (let k = 2; k <= n; k++) [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k]
      slope = (n * (x * value - before)) / (x * x - 1)
      x -= value / slope
    }
    nodes[i] = (1 - x) / 2
    weights[i] = 1 / ((1 - x * x) * slope * slope)
  }
  return [nodes, weights]
}
