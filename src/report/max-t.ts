import { choleskySemidefinite, packedOffset } from '../numerics/cholesky.ts'
import type { Rng } from '../rng.ts'

/**
 * How many standard errors simultaneous intervals of differences reach to each side: the 95 % point of max |T| over all pairs, T multivariate Student's t
 * with the estimated correlation (T. Hothorn, F. Bretz, P. Westfall, "Simultaneous inference in general parametric models", Biometrical Journal 50, 2008,
 * eq. 3). Without degrees of freedom it is the Gaussian multiplier bootstrap (V. Chernozhukov, D. Chetverikov, K. Kato, Ann. Statist. 41, 2013), whose law
 * given the examples is exactly normal with their covariance. Equal and independent estimates: Tukey's studentized range over √2.
 *
 * The point is the ⌈0.95 (B + 1)⌉-th smallest of B simulated maxima; that one more maximum exceeds it has probability at most 5 %.
 */
const LEVEL = 0.95
/** B: the point is then within about 2 %; fewer where each costs more. */
const DRAWS = { few: 9999, many: 1999 } as const
const MANY_ESTIMATES = 128
/** A difference whose variance is less than this share of the two estimates' own is none: it is their rounding. */
const ROUNDING = 1e-12

export interface Estimates {
  /** Covariance of the estimates, packed rows of the lower triangle of shape (A, A). */
  readonly covariance: Float64Array
  /** Shape (A,). Differences between estimates of one owner are not among the pairs. */
  readonly owner: ArrayLike<number>
  /** Degrees of freedom of the covariance, > 0; large: known. */
  readonly nu: number
}

/** 0 where no two estimates of different owners differ by chance at all. */
export function maxTQuantile({ covariance, owner, nu }: Estimates, rng: Rng): number {
  const A = owner.length
  const scales = inverseErrors(covariance, owner)
  if (!scales.some(scale => scale > 0)) return 0
  const factor = Float64Array.from(covariance)
  choleskySemidefinite(factor, A)
  const noise = new Float64Array(A)
  const z = new Float64Array(A)
  const draws = A > MANY_ESTIMATES ? DRAWS.many : DRAWS.few
  const maxima = new Float64Array(draws)
  for (let draw = 0; draw < draws; draw++) {
    for (let a = 0; a < A; a++) noise[a] = rng.normal()
    for (let a = 0, row = 0; a < A; row += ++a) {
      let sum = 0
      for (let k = 0; k <= a; k++) sum += factor[row + k]! * noise[k]!
      z[a] = sum
    }
    let largest = 0
    for (let a = 1, row = 1; a < A; row += ++a) {
      const at = z[a]!
      for (let b = 0; b < a; b++) {
        const t = Math.abs(at - z[b]!) * scales[row + b]!
        if (t > largest) largest = t
      }
    }
    maxima[draw] = largest / Math.sqrt(chiSquareShare(nu, rng))
  }
  return maxima.sort()[Math.ceil(LEVEL * (draws + 1)) - 1]!
}

/** 1 / standard error of each pair's difference, packed; 0 for what is no pair. */
function inverseErrors(covariance: Float64Array, owner: ArrayLike<number>): Float64Array {
  const scales = new Float64Array(covariance.length)
  for (let a = 1, row = 1; a < owner.length; row += ++a) {
    for (let b = 0; b < a; b++) {
      if (owner[a] === owner[b]) continue
      const own = covariance[row + a]! + covariance[packedOffset(b) + b]!
      const variance = own - 2 * covariance[row + b]!
      if (variance > ROUNDING * own) scales[row + b] = 1 / Math.sqrt(variance)
    }
  }
  return scales
}

/** A draw of χ²_ν / ν: E. B. Wilson, M. M. Hilferty, "The distribution of chi-square", PNAS 17, 1931. Within a per cent in the lower tail for ν ≥ 5. */
function chiSquareShare(nu: number, rng: Rng): number {
  const v = 2 / (9 * nu)
  return Math.max(1e-6, 1 - v + Math.sqrt(v) * rng.normal()) ** 3
}
