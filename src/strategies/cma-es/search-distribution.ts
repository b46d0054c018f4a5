/** The constants that every form of the distribution has. */
export interface DistributionConstants {
  readonly dimension: number // n
  readonly populationSize: number // λ
  readonly parents: number // μ
  /** Shape (λ,): positive ones sum to 1, then the negative ones (all zero without active update). */
  readonly weights: Float64Array
  readonly muEff: number
  readonly cSigma: number
  readonly dSigma: number
}

/** A search distribution N(m, σ² C) over R^n that learns from ranked samples, in whatever form it keeps C. */
export interface SearchDistribution {
  readonly constants: DistributionConstants
  /** m, shape (n,). */
  readonly mean: Float64Array
  readonly sigma: number
  readonly sigma0: number
  /** Updates so far. */
  readonly generation: number
  /** x = m + σ C^{1/2} z, shape (n,). */
  point(z: Float64Array): Float64Array
  /** z of a point x: the inverse of `point`. */
  coordinates(x: Float64Array): Float64Array
  /**
   * One generation.
   * @param ranked shape (λ,) of (n,): z of the points, best first.
   * @param spared positions in `ranked` that must not take part with a negative weight (injected points).
   */
  update(ranked: readonly Float64Array[], spared?: ReadonlySet<number>): void
  /** Multiplies σ. */
  inflate(factor: number): void
  /** Lowers standard deviations to at most `limit`, one for all coordinates or shape (n,). */
  limitDeviations(limit: number | Float64Array): void
  /** Standard deviation of coordinate i. */
  deviation(i: number): number
  /** The mean's recent steps in coordinate i, added up with their signs. */
  pathStep(i: number): number
  /** A long direction of the distribution as a step in x, shape (n,); principal axis k where those are known. 0 <= k < n. */
  axis(k: number): Float64Array
  /** Shortest and longest axis over σ. */
  axisRange(): { readonly shortest: number; readonly longest: number }
}
