/**
 * What softmax needs of rows of logits, two elements of float64 at a time. `../twin.ts` is the same in plain TypeScript, operation by
 * operation.
 */

/** Constants in memory, each twice: an operation reads them where they are, which no constant in the code is as fast as. */
const TWICE: usize = memory.data<f64>(
  [
    1.4426950408889634, 1.4426950408889634, // 1 / ln 2
    6755399441055744.0, 6755399441055744.0, // 1.5 · 2^52: the low bits of its sum with x hold x rounded to an integer
    0.6931471803691238, 0.6931471803691238, // ln 2 in two parts, the first of 32 bits: its product with an integer below 2^20 is exact
    1.9082149292705877e-10, 1.9082149292705877e-10,
    1.0 / 6227020800.0, 1.0 / 6227020800.0, // 1/13!
    1.0 / 479001600.0, 1.0 / 479001600.0,
    1.0 / 39916800.0, 1.0 / 39916800.0,
    1.0 / 3628800.0, 1.0 / 3628800.0,
    1.0 / 362880.0, 1.0 / 362880.0,
    1.0 / 40320.0, 1.0 / 40320.0,
    1.0 / 5040.0, 1.0 / 5040.0,
    1.0 / 720.0, 1.0 / 720.0,
    1.0 / 120.0, 1.0 / 120.0,
    1.0 / 24.0, 1.0 / 24.0,
    1.0 / 6.0, 1.0 / 6.0,
    0.5, 0.5, // 1/2!
    1.0, 1.0,
  ],
  16,
)
/** Smaller ones count as this: e^-708 is nothing beside the largest, which is 1, and its exponent is that of a normal number. */
const LEAST: f64 = -708.0

/** The constant number `i` of {@link TWICE}, in both lanes. */
@inline
function both(i: usize): v128 {
  return v128.load(TWICE + (i << 4))
}

/** a · x + b, rounded twice. */
@inline
function step(a: v128, x: v128, b: v128): v128 {
  return f64x2.add(f64x2.mul(a, x), b)
}

/**
 * e^x for two x in [-708, 0], NaN of NaN: x = k ln 2 + r with |r| ≤ ln 2 / 2 (W. J. Cody, W. Waite, "Software Manual for the Elementary
 * Functions", 1980, chapter 6), and e^r by its series to r^13 / 13!. Odd and even powers
 * are summed apart, which halves the chain of operations that wait for each other.
 */
@inline
function exp(x: v128): v128 {
  const rounded = step(x, both(0), both(1))
  const k = f64x2.sub(rounded, both(1))
  const r = f64x2.sub(f64x2.sub(x, f64x2.mul(k, both(2))), f64x2.mul(k, both(3)))
  const square = f64x2.mul(r, r)
  let odd = both(4)
  let even = both(5)
  odd = step(odd, square, both(6))
  even = step(even, square, both(7))
  odd = step(odd, square, both(8))
  even = step(even, square, both(9))
  odd = step(odd, square, both(10))
  even = step(even, square, both(11))
  odd = step(odd, square, both(12))
  even = step(even, square, both(13))
  odd = step(odd, square, both(14))
  even = step(even, square, both(15))
  odd = step(odd, square, both(16))
  const series = f64x2.add(f64x2.add(f64x2.mul(odd, r), f64x2.mul(even, square)), both(16))
  return f64x2.mul(series, i64x2.shl(i64x2.add(rounded, i64x2.splat(1023)), 52))
}

/** The largest of `size` float32, NaNs left out; -Infinity where nothing is larger. */
function largest(at: usize, size: i32): f32 {
  let most = f32x4.splat(-Infinity)
  for (let i = 0; i < size; i += 4) most = f32x4.pmax(most, v128.load(at + (<usize>i << 2)))
  most = f32x4.pmax(most, v128.shuffle<f32>(most, most, 2, 3, 0, 1))
  most = f32x4.pmax(most, v128.shuffle<f32>(most, most, 1, 0, 3, 2))
  return f32x4.extract_lane(most, 0)
}

/** Position of the first element that equals `value`; 0 where none does. */
function positionOf(at: usize, size: i32, value: f32): i32 {
  const wanted = f32x4.splat(value)
  for (let i = 0; i < size; i += 4) {
    const mask = i32x4.bitmask(f32x4.eq(v128.load(at + (<usize>i << 2)), wanted))
    if (mask !== 0) return i + <i32>ctz(mask)
  }
  return 0
}

/**
 * For each row z: max z, the first position that has it, Σ e^(z - max) and Σ (z - max) e^(z - max).
 * @param logits address of the rows, float32; multiple of 16, at least 65,536: constants lie below
 * @param size elements per row, a multiple of 4: what fills a row up is -Infinity, which adds less than 1e-300
 * @param out address of four float64 per row, in this order
 */
export function softmaxSums(logits: usize, rows: i32, size: i32, out: usize): void {
  for (let row = 0; row < rows; row++) {
    const max = largest(logits, size)
    const top = f64x2.splat(<f64>max)
    let sumA = f64x2.splat(0)
    let sumB = f64x2.splat(0)
    let weightedA = f64x2.splat(0)
    let weightedB = f64x2.splat(0)
    for (let i = 0; i < size; i += 4) {
      const four = v128.load(logits + (<usize>i << 2))
      const high = v128.shuffle<f32>(four, four, 2, 3, 2, 3)
      const a = f64x2.pmax(f64x2.sub(f64x2.promote_low_f32x4(four), top), f64x2.splat(LEAST))
      const b = f64x2.pmax(f64x2.sub(f64x2.promote_low_f32x4(high), top), f64x2.splat(LEAST))
      const powerA = exp(a)
      const powerB = exp(b)
      sumA = f64x2.add(sumA, powerA)
      sumB = f64x2.add(sumB, powerB)
      weightedA = f64x2.add(weightedA, f64x2.mul(a, powerA))
      weightedB = f64x2.add(weightedB, f64x2.mul(b, powerB))
    }
    const sum = f64x2.add(sumA, sumB)
    const weighted = f64x2.add(weightedA, weightedB)
    store<f64>(out, <f64>max)
    store<f64>(out + 8, <f64>positionOf(logits, size, max))
    store<f64>(out + 16, f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1))
    store<f64>(out + 24, f64x2.extract_lane(weighted, 0) + f64x2.extract_lane(weighted, 1))
    logits += <usize>size << 2
    out += 32
  }
}
