// The mean of models weighted by importance, element by element: out = Σ w (s + δ) x / Σ w (s + δ).
//
// Importances span many decades, more than float32 does once they are multiplied: sums run in float64, over the models in their order, as the
// definition's do, and the quotient is rounded once. Where the statistics are float32 numbers, the result is the definition's to the bit.

import { TERM } from './mix'

/**
 * @param out address of the result
 * @param terms address of `count` terms: u32 address of x, u32 address of s, f64 w
 * @param delta δ
 * @param offset bytes added to the addresses of the x
 * @param measured bytes added to the addresses of the s
 * @param bytes a multiple of 64
 * @returns the largest magnitude in the result as float32 bits
 */
export function importanceMean(out: usize, terms: usize, count: i32, delta: f64, offset: usize, measured: usize, bytes: usize): u32 {
  const zero = f64x2.splat(0), d = f64x2.splat(delta)
  const end = terms + <usize>count * TERM
  let largest = i32x4.splat(0)
  for (let i: usize = 0; i < bytes; i += 32) {
    // Eight elements a round, two in a vector: their sums and their divisors.
    let a = zero, b = zero, c = zero, e = zero
    let p = zero, q = zero, r = zero, t = zero
    for (let term = terms; term < end; term += TERM) {
      const x = <usize>load<u32>(term) + offset + i, s = <usize>load<u32>(term, 4) + measured + i
      const w = v128.load_splat<f64>(term, 8)
      const f = importance(w, d, s), g = importance(w, d, s + 8), h = importance(w, d, s + 16), k = importance(w, d, s + 24)
      a = f64x2.add(a, f64x2.mul(f, pair(x)))
      b = f64x2.add(b, f64x2.mul(g, pair(x + 8)))
      c = f64x2.add(c, f64x2.mul(h, pair(x + 16)))
      e = f64x2.add(e, f64x2.mul(k, pair(x + 24)))
      p = f64x2.add(p, f)
      q = f64x2.add(q, g)
      r = f64x2.add(r, h)
      t = f64x2.add(t, k)
    }
    const m1 = put(out + i, f64x2.div(a, p), f64x2.div(b, q))
    const m2 = put(out + i + 16, f64x2.div(c, r), f64x2.div(e, t))
    largest = i32x4.max_u(largest, i32x4.max_u(m1, m2))
  }
  return max(
    max(<u32>i32x4.extract_lane(largest, 0), <u32>i32x4.extract_lane(largest, 1)),
    max(<u32>i32x4.extract_lane(largest, 2), <u32>i32x4.extract_lane(largest, 3)),
  )
}

@inline
function importance(w: v128, delta: v128, s: usize): v128 {
  return f64x2.mul(w, f64x2.add(pair(s), delta))
}

@inline
function pair(address: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load_zero<u64>(address))
}

// Four elements of the result, rounded to float32; returns their magnitudes.
@inline
function put(out: usize, low: v128, high: v128): v128 {
  const first = f32x4.demote_f64x2_zero(low), last = f32x4.demote_f64x2_zero(high)
  const all = i64x2.shuffle(first, last, 0, 2)
  v128.store(out, all)
  return v128.and(all, i32x4.splat(0x7fffffff))
}
