import type { Rng } from '../../rng.ts'

/**
 * What scale factors F and crossover rates CR have worked lately: SHADE's success-history adaptation.
 *
 * Source: R. Tanabe, A. S. Fukunaga, "Improving the search performance of SHADE using linear population size reduction", CEC 2014:
 * eq. 1-2 (sampling), algorithm 1 and eq. 4-7 (memory update).
 */
export interface SuccessMemory {
  readonly scales: readonly number[] // M_F, shape (H,)
  /** M_CR, shape (H,); null is the paper's terminal value: CR stays 0 in this entry. */
  readonly rates: readonly (number | null)[]
  readonly next: number // k, the entry written next
}

export interface Parameters {
  readonly scale: number // F in (0, 1]
  readonly rate: number // CR in [0, 1]
}

/** A pair of parameters whose trial beat its target, and by how much (> 0). */
export interface Success extends Parameters {
  readonly gain: number
}

/** H of the paper's tuned settings. */
const ENTRIES = 6
/** Standard deviation of CR and half width of the Cauchy distribution of F. */
const SPREAD = 0.1

export const FIRST_SUCCESS_MEMORY: SuccessMemory = {
  scales: new Array<number>(ENTRIES).fill(0.5),
  rates: new Array<number>(ENTRIES).fill(0.5),
  next: 0,
}

export function sampleParameters(memory: SuccessMemory, rng: Rng): Parameters {
  const entry = rng.integer(0, memory.scales.length)
  const mean = memory.rates[entry]!
  const rate = mean === null ? 0 : Math.min(1, Math.max(0, mean + SPREAD * rng.normal()))
  let scale = 0
  while (scale <= 0) scale = memory.scales[entry]! + SPREAD * Math.tan(Math.PI * (rng.uniform() - 0.5))
  return { scale: Math.min(1, scale), rate }
}

/** After a generation: one entry becomes the mean of what succeeded in it. */
export function rememberSuccesses(memory: SuccessMemory, successes: readonly Success[]): SuccessMemory {
  if (successes.length === 0) return memory
  const { next } = memory
  const scales = [...memory.scales]
  const rates = [...memory.rates]
  scales[next] = lehmerMean(successes.map(s => [s.scale, s.gain]))
  const dead = rates[next] === null || successes.every(s => s.rate === 0)
  rates[next] = dead ? null : lehmerMean(successes.map(s => [s.rate, s.gain]))
  return { scales, rates, next: (next + 1) % scales.length }
}

/** Σ w v² / Σ w v. */
function lehmerMean(weighted: readonly (readonly [value: number, weight: number])[]): number {
  const squares = weighted.reduce((sum, [v, w]) => sum + w * v * v, 0)
  const values = weighted.reduce((sum, [v, w]) => sum + w * v, 0)
  return squares / values
}
