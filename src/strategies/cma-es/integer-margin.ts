import { z } from 'zod'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import { normalCdf, normalQuantile } from '../../numerics/normal.ts'

/**
 * Integer coordinates in CMA-ES: a value is the cell in which the sample falls, and after each update the distribution is corrected so that
 * the neighbouring cells keep a least probability. Without that, a coordinate whose deviation shrinks below a cell is stuck for good.
 *
 * Reference: R. Hamano, M. Nomura, S. Saito, K. Uchida, S. Shirakawa, "CatCMA with Margin: Stochastic Optimization for Continuous,
 * Integer, and Categorical Variables", GECCO 2025 (arXiv:2504.07884): the margin correction, with mutation rates held down while
 * mutations do not succeed, and integer centering (after T. Marty, N. Hansen, A. Auger, Y. Semet, S. Héron, PPSN 2024).
 *
 * The distribution lives in u, the genes in x = A u with A diagonal: the correction changes A and the mean, never C or the paths. An
 * integer coordinate with K values has its thresholds at 1/K, 2/K ... (K - 1)/K.
 */
export class IntegerMargin {
  /** Diagonal of A, shape (n,); 1 for real coordinates. */
  readonly scales: Float64Array
  readonly #cells: readonly number[]
  readonly #margin: number
  /** Probability of leaving the mean's cell in the last generation, shape (n,). */
  readonly #mutationRates: Float64Array

  /**
   * @param cells per coordinate: number of cells of an integer one, 0 for a real one.
   * @param discrete number of integer and categorical genes.
   */
  constructor(cells: readonly number[], discrete: number) {
    this.#cells = cells
    this.#margin = discreteMargin(discrete)
    this.scales = new Float64Array(cells.length).fill(1)
    this.#mutationRates = new Float64Array(cells.length).fill(0.5 - SMALLEST)
  }

  /** The cell of coordinate i in which x falls, 0 ... K - 1. */
  cell(i: number, x: number): number {
    return Math.min(this.#cells[i]! - 1, Math.max(0, Math.floor(x * this.#cells[i]!)))
  }

  /**
   * Integer centering: moves the better half's integer coordinates that left the mean's cell to the middle of theirs, and balances the shift of
   * the mean that this causes with the samples that stayed.
   * @param points x of the μ best samples, shape (μ,) of (n,), changed in place.
   * @param mean x of the mean before the update.
   * @returns per coordinate: whether any of the points left the mean's cell, a successful mutation.
   */
  center(points: readonly Float64Array[], mean: Float64Array): readonly boolean[] {
    return this.#cells.map((cells, i) => {
      if (cells === 0) return false
      const home = this.cell(i, mean[i]!)
      let bias = 0
      let upwards = 0 // what centering the samples that stayed could add to the mean's shift
      let downwards = 0
      let succeeded = false
      for (const point of points) {
        const cell = this.cell(i, point[i]!)
        const middle = (cell + 0.5) / cells
        const move = middle - point[i]!
        if (cell !== home) {
          succeeded = true
          bias += move
          point[i] = middle
        } else if (move > 0) upwards += move
        else downwards += move
      }
      const available = bias < 0 ? upwards : -downwards
      if (bias === 0 || available === 0) return succeeded
      const share = Math.min(1, Math.abs(bias) / available)
      for (const point of points) {
        if (this.cell(i, point[i]!) !== home) continue
        const move = (home + 0.5) / cells - point[i]!
        if (bias * move < 0) point[i]! += share * move
      }
      return succeeded
    })
  }

  /**
   * A widens what is sampled, not how far the mean goes: its step in x is σ y_w, as without A.
   * @param mean of the distribution after its update, in u, shape (n,), changed in place.
   * @param before mean before the update, in u.
   */
  unscaleStep(mean: Float64Array, before: Float64Array): void {
    for (let i = 0; i < mean.length; i++) {
      if (this.#cells[i] !== 0) mean[i] = before[i]! + (mean[i]! - before[i]!) / this.scales[i]!
    }
  }

  /**
   * The margin correction after an update.
   * @param mean of the distribution, in u, shape (n,), changed in place.
   * @param deviation standard deviation of coordinate i, in u.
   * @param succeeded as returned by `center`.
   */
  correct(mean: Float64Array, deviation: (i: number) => number, succeeded: readonly boolean[]): void {
    for (const [i, cells] of this.#cells.entries()) {
      if (cells === 0) continue
      const center = this.scales[i]! * mean[i]!
      const home = this.cell(i, center)
      const moved =
        home === 0 || home === cells - 1
          ? this.#correctAtEnd(i, center, home, deviation(i), succeeded[i]!)
          : this.#correctInside(i, center, home, deviation(i), succeeded[i]!)
      mean[i] = moved / this.scales[i]!
    }
  }

  /** In an outer cell there is one threshold: the probability beyond it is kept in [margin, last rate unless mutations succeed]. */
  #correctAtEnd(i: number, center: number, home: number, deviation: number, succeeded: boolean): number {
    const cells = this.#cells[i]!
    const threshold = (home === 0 ? 1 : cells - 1) / cells
    const beyond = normalCdf(-Math.abs(threshold - center) / (deviation * this.scales[i]!))
    let rate = Math.max(beyond, this.#margin)
    if (!succeeded) rate = Math.min(rate, this.#mutationRates[i]!)
    rate = clamp(rate)
    // Wide enough for a mean in the middle of its cell to have the margin beyond the threshold.
    this.scales[i] = Math.max(this.scales[i]!, 0.5 / cells / (deviation * quantile(this.#margin)))
    this.#mutationRates[i] = rate
    const distance = deviation * this.scales[i]! * quantile(rate)
    return home === 0 ? threshold - distance : threshold + distance
  }

  /** Between two thresholds both neighbours get half the margin at least; mean and scale follow from the two probabilities. */
  #correctInside(i: number, center: number, home: number, deviation: number, succeeded: boolean): number {
    const cells = this.#cells[i]!
    const lower = home / cells
    const upper = (home + 1) / cells
    const width = deviation * this.scales[i]!
    const half = this.#margin / 2
    const below = normalCdf((lower - center) / width)
    const above = normalCdf((center - upper) / width)
    const leastStay = succeeded ? half : 1 - this.#mutationRates[i]!
    const stay = succeeded ? 1 - below - above : Math.max(1 - below - above, leastStay)
    let down = Math.max(below, half)
    let up = Math.max(above, half)
    // What raising has added is taken from each probability in proportion to its distance from its least value.
    const room = down + up + stay - 2 * half - leastStay
    const excess = room > 0 ? (1 - down - up - stay) / room : 0
    down = clamp(down + excess * (down - half))
    up = clamp(up + excess * (up - half))
    this.#mutationRates[i] = down + up
    const [q, r] = [quantile(down), quantile(up)]
    this.scales[i] = (upper - lower) / ((q + r) * deviation)
    return (lower * r + upper * q) / (q + r)
  }

  snapshot(): IntegerMarginState {
    return { scales: encodeFloat64(this.scales), mutationRates: encodeFloat64(this.#mutationRates) }
  }

  restore(state: IntegerMarginState): void {
    const n = this.#cells.length
    this.scales.set(decodeFloat64(state.scales, n))
    this.#mutationRates.set(decodeFloat64(state.mutationRates, n))
  }
}

export const integerMarginStateSchema = z.strictObject({ scales: z.string(), mutationRates: z.string() })
export type IntegerMarginState = z.infer<typeof integerMarginStateSchema>

/**
 * The least probability that a discrete gene changes: with `discrete` such genes at their least, 27 % of the samples differ from the
 * most likely one in at least one of them (1 - 0.73^{1/N}, the paper's choice).
 */
export function discreteMargin(discrete: number): number {
  return 1 - 0.73 ** (1 / discrete)
}

/** Keeps quantiles finite and thresholds apart. */
const SMALLEST = 1e-8

function clamp(probability: number): number {
  return Math.min(0.5 - SMALLEST, Math.max(SMALLEST, probability))
}

/** -Φ^{-1}(p), the root of the paper's χ²_ppf(1 - 2p): how many deviations away a tail of probability p < 1/2 begins. */
function quantile(p: number): number {
  return -normalQuantile(p)
}
