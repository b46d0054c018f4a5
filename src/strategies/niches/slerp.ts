/**
 * Spherical interpolation of two vectors as they are, without normalising them: x · sin((1 − t)Ω)/sin Ω + y · sin(tΩ)/sin Ω, Ω being the angle
 * between them (K. Shoemake, SIGGRAPH 1985). Between vectors of unlike length the length changes, too. Along a line where sin Ω <= 1e-6:
 * (almost) parallel or opposite, or one of them is zero.
 */

/** Below this sin Ω the interpolation is linear. */
const PARALLEL = 1e-6

/** Factors of x and y. */
export type Factors = readonly [x: number, y: number]

/** The angle Ω from the inner products; `undefined` where it has no meaning or (nearly) no sine. */
export function angle(xx: number, xy: number, yy: number): number | undefined {
  const lengths = Math.sqrt(xx * yy)
  if (!(lengths > 0)) return undefined
  const Ω = Math.acos(Math.min(1, Math.max(-1, xy / lengths)))
  return Math.sin(Ω) > PARALLEL ? Ω : undefined
}

/** @param t 0: x alone; 1: y alone */
export function slerpFactors(t: number, Ω: number | undefined): Factors {
  if (Ω === undefined) return [1 - t, t]
  const sin = Math.sin(Ω)
  return [Math.sin((1 - t) * Ω) / sin, Math.sin(t * Ω) / sin]
}
