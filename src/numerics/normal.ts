/**
 * The normal distribution to full double precision, tails included.
 *
 * erf family: rational minimax approximations of W. J. Cody, "Rational Chebyshev approximations for the error function",
 * Math. Comp. 23, 1969. Quantile: M. J. Wichura, "Algorithm AS 241", Applied Statistics 37(3), 1988 (PPND16).
 */
const SQRT1_2PI = 0.3989422804014327 // 1 / √(2π)
const LOG_SQRT_2PI = 0.9189385332046727 // log √(2π)
const SQRT1_PI = 0.5641895835477563 // 1 / √π
const SQRT_PI_2 = 1.2533141373155003 // √(π/2)

// Highest power first. Cody's tables: numerator and denominator of erf on |x| <= 0.46875, ...
const ERF_P = [0.18577770618460315, 3.1611237438705655, 113.86415415105016, 377.485237685302, 3209.3775891384694]
const ERF_Q = [1, 23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171]
// ... of erfcx on 0.46875 <= x <= 4, ...
const MIDDLE_P = [
  2.1531153547440383e-8, 0.5641884969886701, 8.883149794388377, 66.11919063714163, 298.6351381974001, 881.952221241769,
  1712.0476126340707, 2051.0783778260716, 1230.3393547979972,
]
const MIDDLE_Q = [
  1, 15.744926110709835, 117.6939508913125, 537.1811018620099, 1621.3895745666903, 3290.7992357334597,
  4362.619090143247, 3439.3676741437216, 1230.3393548037495,
]
// ... and of (1/√π - x · erfcx(x)) · x² in 1/x² beyond.
const TAIL_P = [
  0.016315387137302097, 0.30532663496123236, 0.36034489994980445, 0.12578172611122926, 0.016083785148742275,
  0.0006587491615298378,
]
const TAIL_Q = [
  1, 2.568520192289822, 1.8729528499234673, 0.5279051029514285, 0.06051834131244132, 0.0023352049762686918,
]

function horner(coefficients: readonly number[], x: number): number {
  let sum = 0
  for (const c of coefficients) sum = sum * x + c
  return sum
}

function rational(p: readonly number[], q: readonly number[], x: number): number {
  return horner(p, x) / horner(q, x)
}

/** exp(-x²) with the square split in two, so that its rounding error is not blown up by exp (Cody's device). */
function expMinusSquare(x: number): number {
  const high = Math.trunc(x * 16) / 16
  return Math.exp(-high * high) * Math.exp(-(x - high) * (x + high))
}

/** erf(x) for |x| <= 0.46875. */
function erfSmall(x: number): number {
  return x * rational(ERF_P, ERF_Q, x * x)
}

/** exp(x²) erfc(x) for x >= 0.46875. */
function erfcxPositive(x: number): number {
  if (x <= 4) return rational(MIDDLE_P, MIDDLE_Q, x)
  const z = 1 / (x * x)
  return (SQRT1_PI - z * rational(TAIL_P, TAIL_Q, z)) / x
}

/** Complementary error function 1 - erf(x). */
export function erfc(x: number): number {
  const a = Math.abs(x)
  if (a <= 0.46875) return 1 - erfSmall(x)
  const tail = a > 27 ? 0 : expMinusSquare(a) * erfcxPositive(a)
  return x > 0 ? tail : 2 - tail
}

/** Scaled complementary error function exp(x²) erfc(x); infinite below about -26.6. */
export function erfcx(x: number): number {
  if (x >= 0.46875) return erfcxPositive(x)
  if (x >= -0.46875) return Math.exp(x * x) * (1 - erfSmall(x))
  return 2 / expMinusSquare(x) - erfcxPositive(-x)
}

/** exp(-x²/2) by {@link expMinusSquare}'s device: x/√2 would round first. */
function gaussian(x: number): number {
  const high = Math.trunc(x * 16) / 16
  return Math.exp(-0.5 * high * high) * Math.exp(-0.5 * (x - high) * (x + high))
}

/** Standard normal density φ(x). */
export function normalPdf(x: number): number {
  return SQRT1_2PI * gaussian(x)
}

/** Standard normal distribution function Φ(x), in both tails to full relative precision. */
export function normalCdf(x: number): number {
  const a = Math.abs(x) * Math.SQRT1_2
  if (a <= 0.46875) return 0.5 + 0.5 * erfSmall(x * Math.SQRT1_2)
  const tail = a > 27 ? 0 : 0.5 * gaussian(x) * erfcxPositive(a)
  return x > 0 ? 1 - tail : tail
}

/** log Φ(x), without underflow in the lower tail. */
export function normalLogCdf(x: number): number {
  if (x > -1) return Math.log1p(-normalCdf(-x))
  return Math.log(0.5 * erfcx(-x * Math.SQRT1_2)) - 0.5 * x * x
}

/** Inverse Mills ratio of the lower tail, φ(x) / Φ(x) = d log Φ / dx, without underflow. */
export function inverseMillsRatio(x: number): number {
  return Math.exp(-0.5 * x * x - LOG_SQRT_2PI - normalLogCdf(x))
}

/** log(1 - exp(x)) for x < 0 (M. Mächler, "Accurately computing log(1 - exp(-|a|))", 2012). */
export function log1mexp(x: number): number {
  return x > -Math.LN2 ? Math.log(-Math.expm1(x)) : Math.log1p(-Math.exp(x))
}

// Wichura's tables, highest power first: numerators and denominators of the central, the middle and the far region.
const CENTRAL_P = [
  2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987, 13731.69376550946, 1971.5909503065513,
  133.14166789178438, 3.3871328727963665,
]
const CENTRAL_Q = [
  5226.495278852854, 28729.085735721943, 39307.89580009271, 21213.794301586597, 5394.196021424751, 687.1870074920579,
  42.31333070160091, 1,
]
const NEAR_P = [
  0.0007745450142783414, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684, 3.6478483247632045,
  5.769497221460691, 4.630337846156546, 1.4234371107496835,
]
const NEAR_Q = [
  1.0507500716444169e-9, 0.0005475938084995345, 0.015198666563616457, 0.14810397642748008, 0.6897673349851,
  1.6763848301838038, 2.053191626637759, 1,
]
const FAR_P = [
  2.0103343992922881e-7, 0.000027115555687434876, 0.0012426609473880784, 0.026532189526576124, 0.29656057182850487,
  1.7848265399172913, 5.463784911164114, 6.657904643501103,
]
const FAR_Q = [
  2.0442631033899397e-15, 1.421511758316446e-7, 0.000018463183175100548, 0.0007868691311456133, 0.014875361290850615,
  0.1369298809227358, 0.599832206555888, 1,
]

/** Inverse of {@link normalCdf}; ±Infinity at 0 and 1, NaN outside [0, 1]. */
export function normalQuantile(p: number): number {
  const q = p - 0.5
  if (Math.abs(q) <= 0.425) return q * rational(CENTRAL_P, CENTRAL_Q, 0.180625 - q * q)
  if (p === 0 || p === 1) return q * Number.POSITIVE_INFINITY
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p))
  const tail = r <= 5 ? rational(NEAR_P, NEAR_Q, r - 1.6) : rational(FAR_P, FAR_Q, r - 5)
  return q < 0 ? -tail : tail
}

/**
 * log h(u) with h(u) = φ(u) + u Φ(u), the expected improvement of a standard normal over -u, to full relative precision where
 * h itself underflows (S. Ament et al., "Unexpected improvements to expected improvement", NeurIPS 2023, eq. 9).
 */
export function logH(u: number): number {
  // h(u) = u + h(-u): for u > 0 both terms are positive.
  if (u > 0) return Math.log(u + Math.exp(logH(-u)))
  if (u > -1) return Math.log(normalPdf(u) + u * normalCdf(u))
  const logPdf = -0.5 * u * u - LOG_SQRT_2PI
  // Beyond -20 the paper's difference 1 - |u| √(π/2) erfcx(|u|/√2) loses digits; its asymptotic series has none to lose.
  if (u < -20) return logPdf + Math.log(tailSeries(1 / (u * u)))
  return logPdf + log1mexp(Math.log(erfcx(-u * Math.SQRT1_2) * -u * SQRT_PI_2))
}

/** h(u) / φ(u) = Σ_k (-1)^k (2k + 1)!! z^(k+1) with z = 1/u², for z <= 1/400: ten terms leave a relative error below 1e-14. */
function tailSeries(z: number): number {
  let sum = 1
  for (let k = 9; k >= 1; k--) sum = 1 - (2 * k + 1) * z * sum
  return z * sum
}

/** d log h / du = Φ(u) / h(u). @param logHu the value of {@link logH} at u. */
export function logHSlope(u: number, logHu: number): number {
  // In the far tail both logarithms are near -u²/2, and their difference is all rounding: divide both by φ instead.
  if (u < -20) return (erfcx(-u * Math.SQRT1_2) * SQRT_PI_2) / tailSeries(1 / (u * u))
  return Math.exp(normalLogCdf(u) - logHu)
}
