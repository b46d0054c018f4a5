import { SobolSequence } from '../numerics/sobol.ts'
import { hypervolume } from './hypervolume.ts'

/** With more objectives than this the exact algorithm's time grows beyond use. */
const MOST_EXACT = 6
const SAMPLES = 100_000
/** Of a standard normal, two-sided 95 %. */
const Z = 1.959963984540054

export interface HypervolumeEstimate {
  readonly value: number
  /** 95 % interval; both equal to `value` where that is exact. */
  readonly low: number
  readonly high: number
  readonly isExact: boolean
}

/** The hypervolume: exact up to 6 objectives, a Monte-Carlo estimate with its interval beyond. Arguments as for the two. */
export function estimateHypervolume(
  points: readonly (readonly number[])[],
  reference: readonly number[],
  rng: { integer(low: number, high: number): number },
): HypervolumeEstimate {
  if (reference.length > MOST_EXACT) return sampleHypervolume(points, reference, rng)
  const value = hypervolume(points, reference)
  return { value, low: value, high: value, isExact: true }
}

/**
 * The share of a scrambled Sobol sequence between the points' ideal and the reference that some point dominates. The interval is E. B.
 * Wilson's for a share (JASA 22, 1927), as if the samples were independent: theirs are spread more evenly, so it is on the safe side.
 *
 * @param points shape (n, m), losses, m up to 1,111. Points not below the reference in every loss count nothing.
 * @param rng scrambles the sequence.
 */
export function sampleHypervolume(
  points: readonly (readonly number[])[],
  reference: readonly number[],
  rng: { integer(low: number, high: number): number },
  samples = SAMPLES,
): HypervolumeEstimate {
  const inside = points.filter(point => point.every((loss, i) => loss < reference[i]!))
  if (inside.length === 0) return { value: 0, low: 0, high: 0, isExact: true }
  const ideal = reference.map((_, i) => inside.reduce((least, point) => Math.min(least, point[i]!), Infinity))
  const box = reference.reduce((product, r, i) => product * (r - ideal[i]!), 1)
  // Points that cover most are looked at first.
  const share = (point: readonly number[]): number => point.reduce((v, loss, i) => v * (reference[i]! - loss), 1)
  const sorted = [...inside].sort((a, b) => share(b) - share(a))
  const sequence = new SobolSequence(reference.length, rng)
  let hits = 0
  for (let k = 0; k < samples; k++) {
    const sample = sequence.point(k)
    for (let i = 0; i < sample.length; i++) sample[i] = ideal[i]! + sample[i]! * (reference[i]! - ideal[i]!)
    if (sorted.some(point => covers(point, sample))) hits++
  }
  const p = hits / samples
  const shrink = 1 + Z ** 2 / samples
  const middle = (p + Z ** 2 / (2 * samples)) / shrink
  const half = (Z * Math.sqrt((p * (1 - p)) / samples + Z ** 2 / (4 * samples ** 2))) / shrink
  return {
    value: p * box,
    low: Math.max(0, middle - half) * box,
    high: Math.min(1, middle + half) * box,
    isExact: false,
  }
}

function covers(point: readonly number[], sample: Float64Array): boolean {
  for (let i = 0; i < sample.length; i++) if (point[i]! > sample[i]!) return false
  return true
}
