import { z } from 'zod'
import type { StopReason } from '../../candidate.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import type { SearchDistribution } from './search-distribution.ts'

/** What the criteria look at. */
export type Distribution = Pick<
  SearchDistribution,
  'constants' | 'mean' | 'sigma' | 'sigma0' | 'generation' | 'deviation' | 'pathStep' | 'axis' | 'axisRange'
>

/**
 * When one CMA-ES run has nothing more to give: the criteria of N. Hansen, "Benchmarking a BI-population CMA-ES on the BBOB-2009
 * function testbed" (GECCO 2009 workshop), section 2.2, and of pycma, under pycma's names.
 *
 * Two differences, both for losses that come in steps (accuracies are multiples of 1/N): the history of best losses must be full
 * before its range counts, and one flat generation is no reason to stop.
 */
export interface StopTolerances {
  /** All standard deviations and mean steps below this, in box widths. */
  readonly tolx: number
  /** Losses of the generation and best losses of the history all within this. */
  readonly tolfun: number
  /** Best losses of the history all within this. */
  readonly tolfunhist: number
  /** Generations in a row whose best and 75 % losses are equal. */
  readonly tolflatfitness: number
}

const TOL_FAC_UP_X = 1e3 // standard deviation / initial step size: the start was far too small, or the function is unbounded
const TOL_CONDITION_COV = 1e14 // beyond it, float64 sampling is no longer what C says
const TOL_UP_SIGMA = 1e20 // σ / σ₀ compared with the longest axis: σ and C drift apart
const TOL_X_STAGNATION = { distance: 1e-9, generations: 20, share: 0.1 }
/** Generations after which a history says something: pycma's. */
const SHORT_HISTORY = 10
/** Entries kept of the long histories; with more generations to cover, only every k-th is recorded. */
const LONG_HISTORY = 200

export const stopStateSchema = z.strictObject({
  recent: z.string(),
  longBest: z.string(),
  longMedian: z.string(),
  flat: z.number().int(),
  restingMean: z.string(),
  restingSince: z.number().int(),
})
export type StopState = z.infer<typeof stopStateSchema>

export class CmaEsStop {
  readonly #tolerances: StopTolerances
  readonly #maxGenerations: number
  readonly #recentLength: number
  readonly #longLength: number
  readonly #longStride: number
  #recent: number[] = [] // best losses, oldest first
  #longBest: number[] = []
  #longMedian: number[] = []
  #flat = 0
  #restingMean: Float64Array
  #restingSince = 0

  constructor(run: Distribution, tolerances: StopTolerances, maxGenerations: number | undefined) {
    const { dimension: n, populationSize: lambda } = run.constants
    this.#tolerances = tolerances
    const usual = Math.floor(100 + (150 * (n + 3) ** 2) / Math.sqrt(lambda))
    this.#maxGenerations = Math.max(1, Math.min(usual, maxGenerations ?? usual))
    this.#recentLength = Math.ceil(10 + (30 * n) / lambda)
    const stagnation = Math.floor(100 + (100 * n ** 1.5) / lambda)
    this.#longStride = Math.ceil(stagnation / LONG_HISTORY)
    this.#longLength = Math.floor(stagnation / this.#longStride)
    this.#restingMean = run.mean.slice()
  }

  /**
   * Takes note of a generation that `run` has just learned from.
   * @param losses shape (λ,), ascending, `Infinity` for failed candidates, at least the first finite.
   * @param resolution differences of losses up to this are none: half a step where losses come in steps.
   * @returns the first criterion that holds, if any.
   */
  observe(run: Distribution, losses: readonly number[], resolution = 0): StopReason | undefined {
    const best = losses[0]!
    this.#recent.push(best)
    if (this.#recent.length > this.#recentLength) this.#recent.shift()
    if (run.generation % this.#longStride === 0) {
      this.#longBest.push(best)
      this.#longMedian.push(median(losses))
      if (this.#longBest.length > this.#longLength) {
        this.#longBest.shift()
        this.#longMedian.shift()
      }
    }
    this.#flat = isFlat(losses, resolution) ? this.#flat + 1 : 0
    if (run.mean.some((m, i) => Math.abs(m - this.#restingMean[i]!) >= TOL_X_STAGNATION.distance)) {
      this.#restingMean = run.mean.slice()
      this.#restingSince = run.generation
    }
    return this.#firstOf(run, losses, resolution)
  }

  #firstOf(run: Distribution, losses: readonly number[], resolution: number): StopReason | undefined {
    const { dimension: n, populationSize: lambda } = run.constants
    const { tolx, tolflatfitness } = this.#tolerances
    const tolfun = Math.max(this.#tolerances.tolfun, resolution)
    const tolfunhist = Math.max(this.#tolerances.tolfunhist, resolution)
    const stop = (criterion: string, detail: string): StopReason => ({ criterion, detail })
    const generations = `after ${run.generation} generations`

    if (run.generation >= this.#maxGenerations) return stop('maxiter', generations)
    let widest = 0
    let moves = 0
    for (let i = 0; i < n; i++) {
      widest = Math.max(widest, run.deviation(i))
      moves = Math.max(moves, run.deviation(i), Math.abs(run.pathStep(i)))
    }
    if (widest > TOL_FAC_UP_X * run.sigma0) return stop('tolfacupx', `standard deviation ${widest}, ${generations}`)
    if (moves < tolx) return stop('tolx', `largest step ${moves}, ${generations}`)
    // Where losses come in known steps, generations without a better one are nothing special: the whole history has to agree. Losses
    // without steps that stay equal that long lie on a plateau.
    const enough = resolution > 0 ? this.#recentLength : Math.min(this.#recentLength, SHORT_HISTORY)
    if (this.#recent.length >= enough) {
      const history = range(this.#recent)
      const current = range(losses)
      if (current < tolfun && history < tolfun) {
        return stop('tolfun', `losses within ${Math.max(current, history)}, ${generations}`)
      }
      if (history < tolfunhist) return stop('tolfunhist', `best losses within ${history}, ${generations}`)
    }
    if (this.#longBest.length === this.#longLength && run.generation > n * (5 + 100 / lambda)) {
      if (!improves(this.#longBest) && !improves(this.#longMedian)) return stop('tolstagnation', generations)
    }
    const resting = run.generation - this.#restingSince
    if (resting > TOL_X_STAGNATION.generations + TOL_X_STAGNATION.share * run.generation) {
      return stop('tolxstagnation', `mean at rest for ${resting} generations`)
    }
    if (this.#flat >= tolflatfitness) return stop('tolflatfitness', `${this.#flat} flat generations in a row`)
    for (let i = 0; i < n; i++) {
      if (run.mean[i] === run.mean[i]! + 0.2 * run.deviation(i)) return stop('noeffectcoord', `gene ${i}`)
    }
    const k = run.generation % n
    const axis = run.axis(k)
    if (run.mean.every((m, i) => m === m + 0.1 * axis[i]!)) return stop('noeffectaxis', `principal axis ${k}`)
    const { shortest, longest } = run.axisRange()
    const condition = (longest / shortest) ** 2
    if (condition > TOL_CONDITION_COV) return stop('tolconditioncov', `condition number ${condition}`)
    if (run.sigma / run.sigma0 > TOL_UP_SIGMA * longest) return stop('tolupsigma', `step size ${run.sigma}`)
    return undefined
  }

  snapshot(): StopState {
    return {
      recent: encodeFloat64(Float64Array.from(this.#recent)),
      longBest: encodeFloat64(Float64Array.from(this.#longBest)),
      longMedian: encodeFloat64(Float64Array.from(this.#longMedian)),
      flat: this.#flat,
      restingMean: encodeFloat64(this.#restingMean),
      restingSince: this.#restingSince,
    }
  }

  static restore(
    state: StopState,
    run: Distribution,
    tolerances: StopTolerances,
    maxGenerations: number | undefined,
  ): CmaEsStop {
    const stop = new CmaEsStop(run, tolerances, maxGenerations)
    stop.#recent = [...decodeFloat64(state.recent)]
    stop.#longBest = [...decodeFloat64(state.longBest)]
    stop.#longMedian = [...decodeFloat64(state.longMedian)]
    stop.#flat = state.flat
    stop.#restingMean = decodeFloat64(state.restingMean, run.constants.dimension)
    stop.#restingSince = state.restingSince
    return stop
  }
}

/** Whether the best and the 75 % loss differ by at most `resolution`: selection among them says nothing. `losses` ascending. */
export function isFlat(losses: readonly number[], resolution = 0): boolean {
  return losses[Math.min(losses.length - 1, Math.floor(0.75 * losses.length))]! - losses[0]! <= resolution
}

/** Whether the newer half's median lies below the older half's. */
function improves(history: readonly number[]): boolean {
  const half = Math.floor(history.length / 2)
  const sorted = (part: readonly number[]): number[] => [...part].sort((a, b) => a - b)
  return median(sorted(history.slice(-half))) < median(sorted(history.slice(0, half)))
}

/** Middle value of an ascending list (the upper one of two). */
function median(ascending: readonly number[]): number {
  return ascending[Math.floor(ascending.length / 2)]!
}

/** Largest minus smallest of the finite values. */
function range(values: readonly number[]): number {
  const finite = values.filter(Number.isFinite)
  return Math.max(...finite) - Math.min(...finite)
}
