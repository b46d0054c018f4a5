import type { Rng } from '../../rng.ts'
import { type Box, inside } from './predicted-front.ts'
import type { Surrogate } from './surrogate.ts'

/**
 * Bayesian MAP: where the next samples of the coefficients do the surrogates most good (L. Li et al., "MAP", ICLR 2025).
 * Coefficients are seen as a direction and a length; the directions are cut into bins, and bins with a larger error and a larger uncertainty get more samples.
 *
 *     score_b = error_b + λ deviation_b,     share_b ∝ exp(score_b / (τ · max score))
 *
 * `error`: root mean square of the leave-one-out residuals in the bin; `deviation`: the surrogates' own mean standard deviation there (for
 * the paper's spread over masked data); both per objective in units of its standard deviation, and averaged.
 */
const LAMBDA = 0.5
const TAU = 0.07
/** Draws per bin for the mean deviation. */
const DRAWS = 8
/** Samples lie between this share of the way from the origin to the box's edge and the edge. */
const SHORTEST = 0.2

/** More genes make more bins than samples. */
export const MOST_BINNED_GENES = 6

/** Bins per angle, as the paper's: four below four genes, two from there on. */
export function binsPerAngle(d: number): number {
  return d < 4 ? 4 : 2
}

/** Hyperspherical angles, shape (d - 1,), 0..π/2: φ_i = atan2(|u_{i+1..d}|, u_i). @param u shape (d,), >= 0. */
export function anglesOf(u: ArrayLike<number>): Float64Array {
  const angles = new Float64Array(Math.max(0, u.length - 1))
  let rest = 0
  for (let i = u.length - 1; i > 0; i--) {
    rest = Math.hypot(rest, u[i]!)
    angles[i - 1] = Math.atan2(rest, u[i - 1]!)
  }
  return angles
}

/** Inverse of {@link anglesOf}: the unit vector, shape (d,). */
export function directionOf(angles: ArrayLike<number>): Float64Array {
  const direction = new Float64Array(angles.length + 1)
  let rest = 1
  for (let i = 0; i < angles.length; i++) {
    direction[i] = rest * Math.cos(angles[i]!)
    rest *= Math.sin(angles[i]!)
  }
  direction[angles.length] = rest
  return direction
}

/** The bin of a point, 0 .. bins^(d-1) - 1. */
export function binOf(u: ArrayLike<number>, bins: number): number {
  return anglesOf(u).reduce(
    (index, angle) => index * bins + Math.min(bins - 1, Math.floor((angle / (Math.PI / 2)) * bins)),
    0,
  )
}

/** A random point of a bin, inside the box. */
export function pointInBin(bin: number, bins: number, box: Box, rng: Rng): Float64Array {
  const d = box.low.length
  const angles = new Float64Array(d - 1)
  for (let i = d - 2, rest = bin; i >= 0; i--, rest = Math.floor(rest / bins)) {
    angles[i] = (((rest % bins) + rng.uniform()) / bins) * (Math.PI / 2)
  }
  const direction = directionOf(angles)
  const edge = direction.reduce((least, v, i) => (v > 0 ? Math.min(least, box.high[i]! / v) : least), Infinity)
  const length = edge * (SHORTEST + (1 - SHORTEST) * rng.uniform())
  return inside(
    direction.map(v => v * length),
    box,
  )
}

/**
 * @param points what the surrogates were fitted to, shape (n, d).
 * @returns shape (count, d).
 */
export function drawUncertain(
  surrogates: readonly Surrogate[],
  points: readonly Float64Array[],
  box: Box,
  count: number,
  rng: Rng,
): Float64Array[] {
  const d = box.low.length
  const bins = binsPerAngle(d)
  const homes = points.map(point => binOf(point, bins))
  const scores = Array.from({ length: bins ** (d - 1) }, (_, bin) => {
    const members = homes.flatMap((home, i) => (home === bin ? [i] : []))
    const draws = Array.from({ length: DRAWS }, () => pointInBin(bin, bins, box, rng))
    return surrogates.reduce((sum, { residuals, spread, deviation }) => {
      if (spread === 0) return sum
      const squares = members.reduce((total, i) => total + residuals[i]! ** 2, 0)
      const error = Math.sqrt(squares / Math.max(1, members.length))
      const uncertainty = draws.reduce((total, point) => total + deviation(point), 0) / DRAWS
      return sum + (error + LAMBDA * uncertainty) / spread / surrogates.length
    }, 0)
  })
  const most = Math.max(...scores)
  const shares = scores.map(score => (most > 0 ? Math.exp((score / most - 1) / TAU) : 1))
  const total = shares.reduce((sum, share) => sum + share, 0)
  return Array.from({ length: count }, () => {
    let left = rng.uniform() * total
    const bin = shares.findIndex(share => {
      left -= share
      return left < 0
    })
    return pointInBin(bin < 0 ? shares.length - 1 : bin, bins, box, rng)
  })
}
