import { mean, sampleVariance } from 'simple-statistics'

/** Two-sided 95 % intervals. Every interval of a report has this level. */
export interface Interval {
  readonly low: number
  readonly high: number
}

/** 97.5 % point of the standard normal. A constant: the library's `probit` is right to 3 digits only. */
export const Z = 1.959963984540054

/**
 * 97.5 % point of Student's t with ν > 0 degrees of freedom, at most 0.2 % off.
 * Closed forms for ν < 3 (ν rounded down, which errs on the wide side), from 3 on the expansion of
 * M. Abramowitz, I. Stegun, "Handbook of Mathematical Functions", 1964, 26.7.5.
 */
export function studentQuantile(nu: number): number {
  if (!(nu >= 1)) return 12.706204736174698
  if (nu < 2) return 12.706204736174698 // tan(0.475 π)
  if (nu < 3) return 4.302652729749462 // 0.95 √(2 / (1 − 0.95²))
  const z3 = Z ** 3
  const z5 = Z ** 5
  const z7 = Z ** 7
  const g1 = (z3 + Z) / 4
  const g2 = (5 * z5 + 16 * z3 + 3 * Z) / 96
  const g3 = (3 * z7 + 19 * z5 + 17 * z3 - 15 * Z) / 384
  const g4 = (79 * Z ** 9 + 776 * z7 + 1482 * z5 - 1920 * z3 - 945 * Z) / 92160
  return Z + g1 / nu + g2 / nu ** 2 + g3 / nu ** 3 + g4 / nu ** 4
}

/**
 * Interval of a proportion: `successes` of `count` ≥ 1.
 * E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927. Inside [0, 1], and of
 * positive width at 0 and 1, where the textbook interval has none.
 */
export function wilsonInterval(successes: number, count: number): Interval {
  const p = successes / count
  const z2 = Z * Z
  const centre = (p + z2 / (2 * count)) / (1 + z2 / count)
  const half = (Z / (1 + z2 / count)) * Math.sqrt((p * (1 - p)) / count + z2 / (4 * count * count))
  return {
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === count ? 1 : Math.min(1, centre + half),
  }
}

/** Interval of the mean of graded values, shape (e,): Student's t. `undefined` for fewer than two values. */
export function meanInterval(values: ArrayLike<number>): Interval | undefined {
  const list = Array.from(values)
  if (list.length < 2) return undefined
  const half = studentQuantile(list.length - 1) * Math.sqrt(sampleVariance(list) / list.length)
  const centre = mean(list)
  return { low: centre - half, high: centre + half }
}

/**
 * A group of examples that were drawn together, with what each adds to the estimate. The estimate is the sum over strata of the mean of
 * `contributions`.
 */
export interface Stratum {
  readonly contributions: Float64Array // shape (e,), e ≥ 1
  /** Imagined extra examples of given mean and variance: they keep intervals of 0/1 scores honest near 0 and 1. */
  readonly pseudo?: { readonly count: number; readonly mean: number; readonly variance: number }
}

/** A stratum by its moments. */
export interface StratumMoments {
  readonly count: number
  readonly mean: number
  /** Sum of squared distances from `mean`. */
  readonly squares: number
  readonly pseudo?: Stratum['pseudo']
}

export interface Estimate {
  readonly centre: number
  /** Of the centre. */
  readonly variance: number
  /** Degrees of freedom of `variance`. */
  readonly nu: number
}

/**
 * Interval of a sum of independent stratum means: normal-theory with the stratified standard error and Satterthwaite's degrees of freedom
 * (F. E. Satterthwaite, Biometrics Bulletin 2, 1946). `undefined` when a stratum has a single example and no pseudo-examples.
 *
 * With pseudo-examples this is the adjusted Wald family: for one level of k proportions 4/k pseudo-examples each, half of them successes
 * (R. M. Price, D. G. Bonett, Comput. Stat. Data Anal. 45, 2004); for a difference of paired proportions two discordant pseudo-pairs, one each way
 * (D. G. Bonett, R. M. Price, J. Educ. Behav. Stat. 37, 2012). Closed form, no resampling: the bootstrap has zero width where no pair is
 * discordant, which is where an honest width matters most.
 */
export function stratifiedInterval(strata: readonly Stratum[]): Interval | undefined {
  const estimate = stratifiedEstimate(strata.map(momentsOf))
  if (estimate === undefined) return undefined
  const { centre, variance, nu } = estimate
  const half = variance === 0 ? 0 : studentQuantile(nu) * Math.sqrt(variance)
  return { low: centre - half, high: centre + half }
}

/** What `stratifiedInterval` is made of. */
export function stratifiedEstimate(strata: readonly StratumMoments[]): Estimate | undefined {
  let centre = 0
  let variance = 0
  let satterthwaite = 0
  for (const { count, mean: ownMean, squares: ownSquares, pseudo } of strata) {
    const extra = pseudo?.count ?? 0
    const total = count + extra
    if (total <= 1) return undefined
    const imagined = pseudo?.mean ?? 0
    const average = (count * ownMean + extra * imagined) / total
    const squares =
      ownSquares + count * (ownMean - average) ** 2 + extra * ((pseudo?.variance ?? 0) + (imagined - average) ** 2)
    const ofMean = extra > 0 ? squares / total / total : squares / (total - 1) / total
    centre += average
    variance += ofMean
    satterthwaite += ofMean ** 2 / (total - 1)
  }
  return { centre, variance, nu: variance ** 2 / satterthwaite }
}

function momentsOf({ contributions, pseudo }: Stratum): StratumMoments {
  let sum = 0
  for (const x of contributions) sum += x
  const average = sum / contributions.length
  let squares = 0
  for (const x of contributions) squares += (x - average) ** 2
  return { count: contributions.length, mean: average, squares, ...(pseudo && { pseudo }) }
}
