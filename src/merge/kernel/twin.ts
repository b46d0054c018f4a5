/**
 * The kernels of `assembly/index.ts` in plain TypeScript: the same operations in the same order, each rounded to float32, hence the
 * same bits. Read this to know what a merge computes; the tests compare both.
 */

const { fround } = Math

/** out = c1 x1 + c2 x2 + ... All arrays have the length of `out`. */
export function linearTwin(out: Float32Array, terms: readonly Float32Array[], coefficients: Float32Array): void {
  for (let i = 0; i < out.length; i++) {
    let s = fround(coefficients[0]! * terms[0]![i]!)
    for (let j = 1; j < terms.length; j++) s = fround(s + fround(coefficients[j]! * terms[j]![i]!))
    out[i] = s
  }
}

/** s = c1 (x1 − b) + c2 (x2 − b) + ...; out = b where s = 0, else b + s. */
export function taskArithmeticTwin(
  out: Float32Array,
  base: Float32Array,
  terms: readonly Float32Array[],
  coefficients: Float32Array,
): void {
  for (let i = 0; i < out.length; i++) {
    const b = base[i]!
    let s = fround(coefficients[0]! * fround(terms[0]![i]! - b))
    for (let j = 1; j < terms.length; j++) s = fround(s + fround(coefficients[j]! * fround(terms[j]![i]! - b)))
    out[i] = s === 0 ? b : fround(b + s)
  }
}

/**
 * The kernels of `assembly/rows.ts`: as {@link linearTwin}, or with a base as {@link taskArithmeticTwin}, with coefficients of the element's row or column.
 * @param coefficient of term j at element i
 */
export function linesTwin(
  out: Float32Array,
  base: Float32Array | undefined,
  terms: readonly Float32Array[],
  coefficient: (j: number, i: number) => number,
): void {
  for (let i = 0; i < out.length; i++) {
    const b = base === undefined ? 0 : base[i]!
    const products = terms.map((x, j) => fround(coefficient(j, i) * fround(x[i]! - b)))
    const s = products.slice(1).reduce((sum, product) => fround(sum + product), products[0]!)
    out[i] = base === undefined ? s : s === 0 ? b : fround(b + s)
  }
}

/** The bits of |x − b|, by which `assembly/select.ts` and its like order magnitudes. */
export function magnitudesTwin(x: Float32Array, base: Float32Array): Uint32Array {
  return new Uint32Array(x.map((own, i) => Math.abs(fround(own - base[i]!))).buffer)
}

/** `findEqual`: position of the `nth` element, from 1, that has these bits; minus how many there are, if fewer. */
export function findEqualTwin(magnitudes: Uint32Array, bits: number, nth: number): number {
  const equal = Array.from(magnitudes.keys()).filter(i => magnitudes[i] === bits)
  return equal[nth - 1] ?? (equal.length === 0 ? 0 : -equal.length)
}

/** What {@link taskVectorPassTwin} keeps of one model's task vector: everything, or where `keeps` says so. */
export interface TwinTerm {
  readonly x: Float32Array
  /** The factor of what is kept. */
  readonly c: number
  readonly keeps: (i: number, magnitude: number) => boolean
  /** What the difference is divided by, `divided` kinds only. */
  readonly divisor?: (i: number) => number
}

/** z = keep ? c (x − b) : 0. */
export function thinTwin(base: Float32Array, { x, c, keeps, divisor }: TwinTerm): Float32Array {
  return base.map((b, i) => {
    const t = fround(x[i]! - b)
    if (!keeps(i, Math.abs(t))) return 0
    return fround(fround(c) * (divisor === undefined ? t : fround(t / divisor(i))))
  })
}

/** As `assembly/pass.ts` mixes the z_m of one element: what is added to the base, before the last addition. */
export type TwinMix = (z: readonly number[]) => number

/** s = mix(z); out = b where s = 0, else b + s. */
export function taskVectorPassTwin(
  out: Float32Array,
  base: Float32Array,
  terms: readonly TwinTerm[],
  mix: TwinMix,
): void {
  const thinned = terms.map(term => thinTwin(base, term))
  for (let i = 0; i < out.length; i++) {
    const s = mix(thinned.map(z => z[i]!))
    out[i] = s === 0 ? base[i]! : fround(base[i]! + s)
  }
}

const sumOf = (z: readonly number[]): number => z.slice(1).reduce((sum, value) => fround(sum + value), z[0]!)

/** `importanceMean`: Σ w (s + δ) x / Σ w (s + δ) in float64, rounded once. */
export function importanceMeanTwin(
  out: Float32Array,
  terms: readonly { readonly x: Float32Array; readonly s: Float32Array; readonly w: number }[],
  delta: number,
): void {
  for (let i = 0; i < out.length; i++) {
    let [sum, share] = [0, 0]
    for (const { x, s, w } of terms) {
      const importance = w * (s[i]! + delta)
      sum += importance * x[i]!
      share += importance
    }
    out[i] = sum / share
  }
}

/** The kinds of mixing, by the names of `fast/pass.ts`. */
export const TWIN_MIXES = {
  sum:
    (scale: number): TwinMix =>
    z =>
      fround(fround(scale) * sumOf(z)),

  elect:
    (scale: number): TwinMix =>
    z =>
      fround(fround(scale) * sumOf([0, ...agreeing(z).map(m => z[m]!)])),

  electNormalized:
    (scale: number, weights: Float32Array): TwinMix =>
    z => {
      const kept = agreeing(z)
      const weight = sumOf([0, ...kept.map(m => weights[m]!)])
      const sum = sumOf([0, ...kept.map(m => z[m]!)])
      return fround(fround(scale) * fround(sum / (weight === 0 ? 1 : weight)))
    },

  erase:
    (weights: Float32Array): TwinMix =>
    z => {
      const kept = agreeing(z)
      const weight = sumOf([0, ...kept.map(m => weights[m]!)])
      const sum = sumOf([0, ...kept.map(m => fround(weights[m]! * z[m]!))])
      return fround(sum / Math.max(weight, fround(1e-6)))
    },

  consensus:
    (scale: number, least: number, lambdas: Float32Array): TwinMix =>
    z => {
      const total = sumOf(z)
      const tasks = z.filter((own, m) => Math.abs(own) > fround(lambdas[m]! * Math.abs(fround(total - own)))).length
      return tasks >= least ? fround(fround(scale) * total) : 0
    },

  limit:
    (limit: number): TwinMix =>
    ([z]) => {
      const share = fround(fround(limit) / Math.max(Math.abs(z!), fround(1e-6)))
      return fround(Math.min(1, Math.max(0, share)) * z!)
    },

  unique:
    (epsilon: number, factors: Float32Array): TwinMix =>
    z => {
      const active = z.flatMap((value, m) => (Math.abs(value) > fround(epsilon) ? [m] : []))
      const total = sumOf([0, ...active.map(m => z[m]!)])
      return active.length === 1 ? fround(factors[active[0]!]! * total) : fround(total / Math.max(1, active.length))
    },
} as const

/** The models of the elected sign: + where the sum is 0 or more. */
function agreeing(z: readonly number[]): number[] {
  const positive = sumOf(z) >= 0
  return z.flatMap((value, m) => ((positive ? value > 0 : value < 0) ? [m] : []))
}

/**
 * `assembly/stream-ranks.ts`: whether an element stays, by the rank of its magnitude in its row: where its random word is at most `last` of it. Of equal
 * magnitudes the later has the lower rank; they are compared in float64, where differences of float32 numbers are told apart.
 * @param words random, by element
 */
export function maskByRankTwin(
  x: Float32Array,
  base: Float32Array,
  columns: number,
  words: (i: number) => number,
  last: Uint32Array,
): boolean[] {
  const kept = new Array<boolean>(x.length)
  const size = (i: number) => Math.abs(x[i]! - base[i]!)
  for (let row = 0; row < x.length; row += columns) {
    const order = Array.from({ length: columns }, (_, k) => row + k).sort((a, b) => size(a) - size(b) || b - a)
    for (const [rank, i] of order.entries()) kept[i] = words(i) <= last[rank]!
  }
  return kept
}
