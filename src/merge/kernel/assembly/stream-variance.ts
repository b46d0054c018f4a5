// `operators/sce.ts` on stretches of tensors: its operations in float64, in their order. `count` is a multiple of 16; `pointers` is the address
// of `models` u32, the addresses of x1, x2, ... `bits` says of each element whether it is kept, or is 0: all are.
import { put } from './stream-elements'
import { addSum, expand, greatest, high, low } from './stream-reduce'

/** The variance of x1 - b, x2 - b, ... by element, as f64 at `out`. 0 where they are equal, whatever rounding leaves. */
export function variances(out: usize, base: usize, pointers: usize, models: i32, count: i32): void {
  // Divided by a power of two or multiplied by its inverse: the bits are the same.
  if ((models & (models - 1)) == 0) eachVariance(true, out, base, pointers, models, count)
  else eachVariance(false, out, base, pointers, models, count)
}

@inline
function eachVariance(inverse: bool, out: usize, base: usize, pointers: usize, models: i32, count: i32): void {
  const divisor = f64x2.splat(inverse ? 1 / <f64>models : <f64>models)
  for (let i: usize = 0; i < <usize>count << 2; i += 16, out += 32) {
    const b = v128.load(base + i)
    const b1 = low(b), b2 = high(b)
    const first = v128.load(<usize>load<u32>(pointers) + i)
    const first1 = f64x2.sub(low(first), b1), first2 = f64x2.sub(high(first), b2)
    let mean1 = first1, mean2 = first2, different1 = i64x2.splat(0), different2 = different1
    for (let m: usize = 1; m < <usize>models; m++) {
      const x = v128.load(<usize>load<u32>(pointers + (m << 2)) + i)
      const value1 = f64x2.sub(low(x), b1), value2 = f64x2.sub(high(x), b2)
      mean1 = f64x2.add(mean1, value1)
      mean2 = f64x2.add(mean2, value2)
      different1 = v128.or(different1, f64x2.ne(value1, first1))
      different2 = v128.or(different2, f64x2.ne(value2, first2))
    }
    mean1 = divided(inverse, mean1, divisor)
    mean2 = divided(inverse, mean2, divisor)
    const off1 = f64x2.sub(first1, mean1), off2 = f64x2.sub(first2, mean2)
    let squares1 = f64x2.mul(off1, off1), squares2 = f64x2.mul(off2, off2)
    for (let m: usize = 1; m < <usize>models; m++) {
      const x = v128.load(<usize>load<u32>(pointers + (m << 2)) + i)
      const next1 = f64x2.sub(f64x2.sub(low(x), b1), mean1), next2 = f64x2.sub(f64x2.sub(high(x), b2), mean2)
      squares1 = f64x2.add(squares1, f64x2.mul(next1, next1))
      squares2 = f64x2.add(squares2, f64x2.mul(next2, next2))
    }
    v128.store(out, v128.and(divided(inverse, squares1, divisor), different1))
    v128.store(out, v128.and(divided(inverse, squares2, divisor), different2), 16)
  }
}

@inline
function divided(inverse: bool, x: v128, divisor: v128): v128 {
  return inverse ? f64x2.mul(x, divisor) : f64x2.div(x, divisor)
}

@inline
function changeAt(b: v128, second: bool, i: usize, pointers: usize, m: usize): v128 {
  const x = v128.load(<usize>load<u32>(pointers + (m << 2)) + i)
  return f64x2.sub(second ? high(x) : low(x), b)
}

/** Bits of the elements whose value is above `cut`, and of the first that equal it. `left`: address of a f64, how many of those are still to come. */
export function maskValuesAbove(bits: usize, values: usize, cut: f64, left: usize, count: i32): void {
  const limit = f64x2.splat(cut)
  for (let i = 0; i < count; i += 8, values += 64, bits += 1) {
    let above = 0, equal = 0
    for (let k: usize = 0; k < 4; k++) {
      const v = v128.load(values + (k << 4))
      above |= i64x2.bitmask(f64x2.gt(v, limit)) << (<i32>k << 1)
      equal |= i64x2.bitmask(f64x2.eq(v, limit)) << (<i32>k << 1)
    }
    for (; equal; equal &= equal - 1) {
      const rest = load<f64>(left)
      if (rest <= 0) break
      store<f64>(left, rest - 1)
      above |= equal & -equal
    }
    store<u8>(bits, <u8>above)
  }
}

/** Adds the squares of the kept x - b to the f64 at `sum`. */
export function sumSquares(sum: usize, x: usize, base: usize, bits: usize, count: i32): void {
  let s1 = f64x2.splat(0), s2 = s1
  for (let i = 0; i < count; i += 4, x += 16, base += 16) {
    const a = v128.load(x), b = v128.load(base)
    let d1 = f64x2.sub(low(a), low(b)), d2 = f64x2.sub(high(a), high(b))
    if (bits) {
      const kept = expand(<u32>load<u8>(bits + (i >> 3)) >> (i & 4))
      d1 = v128.and(d1, i64x2.extend_low_i32x4_s(kept))
      d2 = v128.and(d2, i64x2.extend_high_i32x4_s(kept))
    }
    s1 = f64x2.add(s1, f64x2.mul(d1, d1))
    s2 = f64x2.add(s2, f64x2.mul(d2, d2))
  }
  addSum(sum, f64x2.add(s1, s2))
}

/**
 * Adds the weighted mean of the kept changes that have the sign of their sum.
 * @param weights address of `models` f64
 * @returns the largest magnitude in the result as float32 bits
 */
export function eraseOpposed(
  out: usize, base: usize, pointers: usize, weights: usize, models: i32, bits: usize, count: i32,
): u32 {
  let most = i32x4.splat(0)
  for (let i: usize = 0; i < <usize>count << 2; i += 16) {
    const b = v128.load(base + i)
    let s1 = electedMean(low(b), false, i, pointers, weights, models)
    let s2 = electedMean(high(b), true, i, pointers, weights, models)
    if (bits) {
      const kept = expand(<u32>load<u8>(bits + (i >> 5)) >> (<u32>(i >> 2) & 4))
      s1 = v128.and(s1, i64x2.extend_low_i32x4_s(kept))
      s2 = v128.and(s2, i64x2.extend_high_i32x4_s(kept))
    }
    most = i32x4.max_u(most, put(out + i, b, f64x2.add(low(b), s1), f64x2.add(high(b), s2)))
  }
  return greatest(most)
}

@inline
function electedMean(b: v128, second: bool, i: usize, pointers: usize, weights: usize, models: i32): v128 {
  const zero = f64x2.splat(0)
  let total = zero, mix = zero, weight = zero
  for (let m: usize = 0; m < <usize>models; m++) total = f64x2.add(total, changeAt(b, second, i, pointers, m))
  const positive = f64x2.ge(total, zero)
  for (let m: usize = 0; m < <usize>models; m++) {
    const value = changeAt(b, second, i, pointers, m)
    const w = v128.load64_splat(weights + (m << 3))
    const agrees = v128.bitselect(f64x2.gt(value, zero), f64x2.lt(value, zero), positive)
    mix = f64x2.add(mix, v128.and(f64x2.mul(w, value), agrees))
    weight = f64x2.add(weight, v128.and(w, agrees))
  }
  return f64x2.div(mix, f64x2.max(weight, f64x2.splat(1e-6)))
}
