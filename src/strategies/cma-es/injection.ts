/**
 * Points from elsewhere in a generation of CMA-ES: known recipes are evaluated as they are and ranked with the samples, but in the update a
 * step towards one is at most as long as a sample's usually is, lest one outlier blow up step size and covariance.
 *
 * Reference: N. Hansen, "Injecting External Solutions Into CMA-ES", INRIA RR-7748, 2011 (arXiv:1110.4181):
 * |C^{-1/2} y| is limited to c_y = sqrt(n) + 2 n / (n + 2).
 */
export function limitLength(z: Float64Array): Float64Array {
  const n = z.length
  const limit = Math.sqrt(n) + (2 * n) / (n + 2)
  const length = Math.sqrt(z.reduce((sum, v) => sum + v * v, 0))
  return length <= limit ? z : z.map(v => (limit / length) * v)
}

/** Injected points in one generation at most: enough to be heard, too few to be the generation. */
export function injectionLimit(populationSize: number): number {
  return Math.floor(populationSize / 5) + 1
}
