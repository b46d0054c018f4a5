/**
 * A smooth periodic map of the real line onto [0, 1], applied per coordinate: the identity on [a, 1 - a], a parabola within `a` of
 * a bound, and mirror images beyond, with continuous first derivative everywhere. A sampler that works on the preimage never
 * leaves the box, is not biased away from the bounds, and learns from the very points it sampled. (The transformation of N. Hansen's
 * reference implementation of CMA-ES, written for the unit interval; cf. N. Hansen, A. S. P. Niederberger, L. Guzzella,
 * P. Koumoutsakos, IEEE TEC 13(1), 2009, on boundary handling.)
 */

/** Width of the curved rim inside the bounds; outside it reaches as far. */
const A = 0.05

/** Any real number → [0, 1]. */
export function intoUnitInterval(y: number): number {
  // The map repeats every 2 (1 + 2a) and is even about -a: reduce to [-a, 1 + a].
  const half = 1 + 2 * A
  let t = (y + A) % (2 * half)
  if (t < 0) t += 2 * half
  if (t > half) t = 2 * half - t
  t -= A
  if (t < A) return Math.min(1, Math.max(0, ((t + A) * (t + A)) / (4 * A)))
  if (t > 1 - A) return Math.min(1, Math.max(0, 1 - ((1 + A - t) * (1 + A - t)) / (4 * A)))
  return y >= A && y <= 1 - A ? y : t // the reduction rounds; inside, be the identity bit by bit
}

/** The preimage in [-a, 1 + a] of x in [0, 1]. */
export function fromUnitInterval(x: number): number {
  if (x < A) return -A + 2 * Math.sqrt(A * Math.max(0, x))
  if (x > 1 - A) return 1 + A - 2 * Math.sqrt(A * Math.max(0, 1 - x))
  return x
}
