// Operators that decide element by element, by the very operations of their definitions in `operators/`, in float64 and in their order:
// rounded to float32, the bits are the definition's. Where the result equals the base, the base keeps the sign of its zero. Inputs are
// finite; `count` is a multiple of 16. What is returned is the largest magnitude in the result as float32 bits.
import { greatest, high, low, magnitude } from './stream-reduce'

/** `operators/nearswap.ts`. */
export function moveTowards(out: usize, base: usize, x: usize, t: f64, count: i32): u32 {
  let most = i32x4.splat(0)
  for (let i: usize = 0; i < <usize>count << 2; i += 16) {
    const b = v128.load(base + i), a = v128.load(x + i)
    most = i32x4.max_u(most, put(out + i, b, moved(low(a), low(b), t), moved(high(a), high(b), t)))
  }
  return greatest(most)
}

@inline
function moved(x: v128, b: v128, t: f64): v128 {
  const one = f64x2.splat(1)
  const size = f64x2.max(f64x2.abs(f64x2.sub(x, b)), f64x2.splat(1e-6))
  const omega = f64x2.min(one, f64x2.max(f64x2.splat(0), f64x2.div(f64x2.splat(t), size)))
  return f64x2.add(f64x2.mul(omega, x), f64x2.mul(f64x2.sub(one, omega), b))
}

/**
 * `operators/ram.ts`: the mean of the changes above `epsilon`, a single one times its model's factor.
 * @param pointers address of `models` u32, the addresses of x1, x2, ...
 * @param factors address of `models` f64
 */
export function averageChanges(
  out: usize, base: usize, pointers: usize, factors: usize, models: i32, epsilon: f64, count: i32,
): u32 {
  let most = i32x4.splat(0)
  for (let i: usize = 0; i < <usize>count << 2; i += 16) {
    const b = v128.load(base + i)
    const b1 = low(b), b2 = high(b), bound = f64x2.splat(epsilon), one = f64x2.splat(1)
    let t1 = f64x2.splat(0), t2 = t1, n1 = t1, n2 = t1, f1 = one, f2 = one
    for (let m: usize = 0; m < <usize>models; m++) {
      const x = v128.load(<usize>load<u32>(pointers + (m << 2)) + i)
      const factor = v128.load64_splat(factors + (m << 3))
      const v1 = f64x2.sub(low(x), b1), v2 = f64x2.sub(high(x), b2)
      const a1 = f64x2.gt(f64x2.abs(v1), bound), a2 = f64x2.gt(f64x2.abs(v2), bound)
      t1 = f64x2.add(t1, v128.and(v1, a1))
      t2 = f64x2.add(t2, v128.and(v2, a2))
      n1 = f64x2.add(n1, v128.and(one, a1))
      n2 = f64x2.add(n2, v128.and(one, a2))
      f1 = v128.bitselect(factor, f1, a1)
      f2 = v128.bitselect(factor, f2, a2)
    }
    const s1 = v128.bitselect(f64x2.mul(f1, t1), f64x2.div(t1, f64x2.max(n1, one)), f64x2.eq(n1, one))
    const s2 = v128.bitselect(f64x2.mul(f2, t2), f64x2.div(t2, f64x2.max(n2, one)), f64x2.eq(n2, one))
    most = i32x4.max_u(most, put(out + i, b, f64x2.add(b1, s1), f64x2.add(b2, s2)))
  }
  return greatest(most)
}

/**
 * How many changes of each model are above `epsilon` together with other models', and how many alone.
 * @param counts address of two u32 per model, added to
 */
export function countChanges(counts: usize, base: usize, pointers: usize, models: i32, epsilon: f64, count: i32): void {
  const bound = f64x2.splat(epsilon), one = i64x2.splat(1)
  for (let i: usize = 0; i < <usize>count << 2; i += 16) {
    const b = v128.load(base + i)
    const b1 = low(b), b2 = high(b)
    let n1 = i64x2.splat(0), n2 = n1
    for (let m: usize = 0; m < <usize>models; m++) {
      const x = v128.load(<usize>load<u32>(pointers + (m << 2)) + i)
      n1 = i64x2.sub(n1, f64x2.gt(f64x2.abs(f64x2.sub(low(x), b1)), bound))
      n2 = i64x2.sub(n2, f64x2.gt(f64x2.abs(f64x2.sub(high(x), b2)), bound))
    }
    const alone = i64x2.bitmask(i64x2.eq(n1, one)) | (i64x2.bitmask(i64x2.eq(n2, one)) << 2)
    for (let m: usize = 0; m < <usize>models; m++) {
      const x = v128.load(<usize>load<u32>(pointers + (m << 2)) + i)
      const own =
        i64x2.bitmask(f64x2.gt(f64x2.abs(f64x2.sub(low(x), b1)), bound)) |
        (i64x2.bitmask(f64x2.gt(f64x2.abs(f64x2.sub(high(x), b2)), bound)) << 2)
      const to = counts + (m << 3)
      store<u32>(to, load<u32>(to) + popcnt(own & ~alone))
      store<u32>(to, load<u32>(to, 4) + popcnt(own & alone), 4)
    }
  }
}

/**
 * `operators/consensus-masks.ts`: alpha times the sum of weighted changes, where they matter to at least `least` models.
 * @param weights address of `models` f64, those of w1, w2, ...; `lambdas` likewise
 */
export function addConsensus(
  out: usize, base: usize, pointers: usize, weights: usize, lambdas: usize, models: i32, least: f64, alpha: f64, count: i32,
): u32 {
  let most = i32x4.splat(0)
  for (let i: usize = 0; i < <usize>count << 2; i += 16) {
    const b = v128.load(base + i)
    const r1 = agreed(low(b), false, i, pointers, weights, lambdas, models, least, alpha)
    const r2 = agreed(high(b), true, i, pointers, weights, lambdas, models, least, alpha)
    most = i32x4.max_u(most, put(out + i, b, r1, r2))
  }
  return greatest(most)
}

@inline
function agreed(
  b: v128, second: bool, i: usize, pointers: usize, weights: usize, lambdas: usize, models: i32, least: f64, alpha: f64,
): v128 {
  const one = f64x2.splat(1)
  let total = f64x2.splat(0), tasks = total
  for (let m: usize = 0; m < <usize>models; m++) total = f64x2.add(total, weighted(b, second, i, pointers, weights, m))
  for (let m: usize = 0; m < <usize>models; m++) {
    const own = weighted(b, second, i, pointers, weights, m)
    const others = f64x2.mul(v128.load64_splat(lambdas + (m << 3)), f64x2.abs(f64x2.sub(total, own)))
    tasks = f64x2.add(tasks, v128.and(one, f64x2.gt(f64x2.abs(own), others)))
  }
  const kept = v128.and(f64x2.mul(f64x2.splat(alpha), total), f64x2.ge(tasks, f64x2.splat(least)))
  return f64x2.add(b, kept)
}

@inline
function weighted(b: v128, second: bool, i: usize, pointers: usize, weights: usize, m: usize): v128 {
  const x = v128.load(<usize>load<u32>(pointers + (m << 2)) + i)
  return f64x2.mul(v128.load64_splat(weights + (m << 3)), f64x2.sub(second ? high(x) : low(x), b))
}

/** Stores four results, rounded; returns their magnitudes. */
@inline
export function put(out: usize, b: v128, r1: v128, r2: v128): v128 {
  const rounded = v128.shuffle<i64>(f32x4.demote_f64x2_zero(r1), f32x4.demote_f64x2_zero(r2), 0, 2)
  const r = v128.bitselect(b, rounded, f32x4.eq(rounded, b))
  v128.store(out, r)
  return magnitude(r)
}
