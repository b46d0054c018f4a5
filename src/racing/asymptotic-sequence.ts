/**
 * Upper end of an asymptotic confidence sequence for a mean, for scores without limits, where no exact one exists: the one-sided form of I.
 * Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas ("Time-uniform central limit theory and asymptotic confidence sequences",
 * Annals of Statistics 52, 2024, Proposition B.1),
 *
 *     mean + σ̂ √( 2 (t ρ² + 1) / (t² ρ²) · ln(1 + √(t ρ² + 1) / (2 α)) ),
 *
 * tightest at t* for ρ² = (−2 ln α + ln(−2 ln α) + 1) / t* (their eq. 24). Like a Student interval it trusts that the mean of what was seen is
 * nearly normal; unlike one it may be looked at again and again.
 *
 * @param values shape (t,), t ≥ 2
 * @param at t*, where it is to be tightest
 */
export function asymptoticUpper(values: ArrayLike<number>, alpha: number, at: number): number {
  const t = values.length
  let mean = 0
  for (let i = 0; i < t; i++) mean += values[i]! / t
  let squares = 0
  for (let i = 0; i < t; i++) squares += (values[i]! - mean) ** 2
  const twice = -2 * Math.log(alpha)
  const rho2 = (twice + Math.log(twice) + 1) / at
  const spread = t * rho2 + 1
  return (
    mean +
    Math.sqrt(squares / (t - 1)) *
      Math.sqrt(((2 * spread) / (t * t * rho2)) * Math.log(1 + Math.sqrt(spread) / (2 * alpha)))
  )
}
