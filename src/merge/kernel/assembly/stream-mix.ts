// Task vectors thinned out, and mixed with or without elected signs. The definitions are in `operators/task-vector-family.ts` and
// `operators/consensus.ts`. `count` is a multiple of 16.
import { expand, greatest, magnitude, upper } from './stream-reduce'

/** out = x - b where the bit is set, else 0. `bits` may be 0: all stay. */
export function thin(out: usize, x: usize, base: usize, bits: usize, count: i32): void {
  for (let i = 0; i < count; i += 4, out += 16, x += 16, base += 16) {
    let d = f32x4.sub(v128.load(x), v128.load(base))
    if (bits) d = v128.and(d, expand(<u32>load<u8>(bits + (i >> 3)) >> (i & 4)))
    v128.store(out, d)
  }
}

/** As `thin`, times `factor`. Difference and product are float64 and rounded to float32 once: signs are elected by near cancellations. */
export function thinScaled(out: usize, x: usize, base: usize, bits: usize, factor: f64, count: i32): void {
  const f = f64x2.splat(factor)
  for (let i = 0; i < count; i += 4, out += 16, x += 16, base += 16) {
    const a = v128.load(x)
    const b = v128.load(base)
    const low = f64x2.mul(f64x2.sub(f64x2.promote_low_f32x4(a), f64x2.promote_low_f32x4(b)), f)
    const high = f64x2.mul(f64x2.sub(f64x2.promote_low_f32x4(upper(a)), f64x2.promote_low_f32x4(upper(b))), f)
    let d = v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2)
    if (bits) d = v128.and(d, expand(<u32>load<u8>(bits + (i >> 3)) >> (i & 4)))
    v128.store(out, d)
  }
}

/**
 * out = b + c1 t1 + c2 t2 + ..., b where that adds nothing.
 * @param pointers address of `models` u32, the addresses of t1, t2, ...
 * @param coefficients address of `models` f32
 * @returns the largest magnitude in the result as float32 bits
 */
export function addAll(out: usize, base: usize, pointers: usize, coefficients: usize, models: i32, count: i32): u32 {
  let most = i32x4.splat(0)
  for (let i: usize = 0; i < <usize>count << 2; i += 32) {
    let s1 = i32x4.splat(0)
    let s2 = s1
    for (let m: usize = 0; m < <usize>models << 2; m += 4) {
      const t = <usize>load<u32>(pointers + m) + i
      const c = v128.load32_splat(coefficients + m)
      s1 = f32x4.add(s1, f32x4.mul(c, v128.load(t)))
      s2 = f32x4.add(s2, f32x4.mul(c, v128.load(t, 16)))
    }
    most = i32x4.max_u(most, i32x4.max_u(added(out + i, base + i, s1), added(out + i + 16, base + i + 16, s2)))
  }
  return greatest(most)
}

/**
 * Elect and disjoint merge: each position elects the sign of w1 t1 + w2 t2 + ... (a sum of zero: +), and adds what has it, divided by
 * the weights of what was added if `normalize`; out = b + lambda times that.
 */
export function addElected(
  out: usize, base: usize, pointers: usize, weights: usize, models: i32, lambda: f32, normalize: bool, count: i32,
): u32 {
  const zero = i32x4.splat(0)
  const one = f32x4.splat(1)
  const scale = f32x4.splat(lambda)
  let most = zero
  for (let i: usize = 0; i < <usize>count << 2; i += 32) {
    let s1 = zero
    let s2 = zero
    for (let m: usize = 0; m < <usize>models << 2; m += 4) {
      const t = <usize>load<u32>(pointers + m) + i
      const w = v128.load32_splat(weights + m)
      s1 = f32x4.add(s1, f32x4.mul(w, v128.load(t)))
      s2 = f32x4.add(s2, f32x4.mul(w, v128.load(t, 16)))
    }
    const p1 = f32x4.ge(s1, zero)
    const p2 = f32x4.ge(s2, zero)
    let k1 = zero
    let k2 = zero
    let d1 = zero
    let d2 = zero
    for (let m: usize = 0; m < <usize>models << 2; m += 4) {
      const t = <usize>load<u32>(pointers + m) + i
      const w = v128.load32_splat(weights + m)
      const z1 = f32x4.mul(w, v128.load(t))
      const z2 = f32x4.mul(w, v128.load(t, 16))
      const a1 = v128.bitselect(f32x4.gt(z1, zero), f32x4.lt(z1, zero), p1)
      const a2 = v128.bitselect(f32x4.gt(z2, zero), f32x4.lt(z2, zero), p2)
      k1 = f32x4.add(k1, v128.and(z1, a1))
      k2 = f32x4.add(k2, v128.and(z2, a2))
      d1 = f32x4.add(d1, v128.and(w, a1))
      d2 = f32x4.add(d2, v128.and(w, a2))
    }
    if (normalize) {
      k1 = f32x4.div(k1, v128.bitselect(one, d1, f32x4.eq(d1, zero)))
      k2 = f32x4.div(k2, v128.bitselect(one, d2, f32x4.eq(d2, zero)))
    }
    k1 = f32x4.mul(scale, k1)
    k2 = f32x4.mul(scale, k2)
    most = i32x4.max_u(most, i32x4.max_u(added(out + i, base + i, k1), added(out + i + 16, base + i + 16, k2)))
  }
  return greatest(most)
}

@inline
function added(out: usize, base: usize, s: v128): v128 {
  const b = v128.load(base)
  const sum = v128.bitselect(b, f32x4.add(b, s), f32x4.eq(s, i32x4.splat(0)))
  v128.store(out, sum)
  return magnitude(sum)
}
