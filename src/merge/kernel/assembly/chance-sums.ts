// Sums of magnitudes |x - b| over the elements whose random number is below a threshold, for any threshold without a pass. A table has the sums
// by the upper 16 bits of the number; for those that share the threshold's upper bits the hash, which is a bijection, is run backwards: from
// the numbers to the positions that have them.
import { positions, uniform } from './thin'

const ENTRIES: usize = 65536
// Inverses of the hash's factors modulo 2^32.
const INVERSE_1: u32 = 0x79a85073
const INVERSE_2: u32 = 0x469e0db1
const INVERSE_3: u32 = 0x32b21703

/** Fills 65537 f64: at [k], the sum over elements whose random number's upper half is below k. */
export function chanceSums(table: usize, x: usize, base: usize, key: i32, second: i32, elements: i32): void {
  memory.fill(table, 0, (ENTRIES + 1) << 3)
  for (let i: i32 = 0; i < elements; i += 4, x += 16, base += 16) {
    const t = f32x4.abs(f32x4.sub(v128.load(x), v128.load(base)))
    const upper = i32x4.shr_u(uniform(positions(i), key, second), 16)
    // What fills the last block up is 0.
    add(table, i32x4.extract_lane(upper, 0), f32x4.extract_lane(t, 0))
    add(table, i32x4.extract_lane(upper, 1), f32x4.extract_lane(t, 1))
    add(table, i32x4.extract_lane(upper, 2), f32x4.extract_lane(t, 2))
    add(table, i32x4.extract_lane(upper, 3), f32x4.extract_lane(t, 3))
  }
  let sum: f64 = 0
  for (let at = table; at <= table + (ENTRIES << 3); at += 8) {
    const own = load<f64>(at)
    store<f64>(at, sum)
    sum += own
  }
}

@inline
function add(table: usize, upper: i32, size: f32): void {
  const at = table + (<usize>upper << 3)
  store<f64>(at, load<f64>(at) + <f64>size)
}

/** Sum over the elements whose random number is in [begin, end), both of one upper half; `end` 0 is 2^32. */
export function chanceSum(x: usize, base: usize, key: i32, second: i32, begin: u32, end: u32, elements: i32): f64 {
  let sum: f64 = 0
  const count = end - begin
  const k = i32x4.splat(key), s = i32x4.splat(second), n = i32x4.splat(elements)
  for (let i: u32 = 0; i < count; i += 8) {
    const a = position(positions(<i32>(begin + i)), k, s)
    const b = position(positions(<i32>(begin + i + 4)), k, s)
    const inA = i32x4.lt_u(a, n), inB = i32x4.lt_u(b, n)
    if (!v128.any_true(v128.or(inA, inB))) continue
    let lanes = i32x4.bitmask(inA) | (i32x4.bitmask(inB) << 4)
    if (count - i < 8) lanes &= (1 << (count - i)) - 1
    for (; lanes; lanes &= lanes - 1) {
      const lane = ctz(lanes)
      const own = position1(begin + i + <u32>lane, <u32>key, <u32>second)
      const offset = <usize>own << 2
      sum += <f64>abs(load<f32>(x + offset) - load<f32>(base + offset))
    }
  }
  return sum
}

// The position that has a random number.
@inline
function position(u: v128, key: v128, second: v128): v128 {
  return v128.xor(unmix(i32x4.sub(unmix(u), second)), key)
}

@inline
function unmix(h: v128): v128 {
  h = v128.xor(h, v128.xor(i32x4.shr_u(h, 14), i32x4.shr_u(h, 28)))
  h = i32x4.mul(h, i32x4.splat(INVERSE_3))
  h = v128.xor(h, v128.xor(i32x4.shr_u(h, 15), i32x4.shr_u(h, 30)))
  h = i32x4.mul(h, i32x4.splat(INVERSE_2))
  h = v128.xor(h, v128.xor(i32x4.shr_u(h, 11), i32x4.shr_u(h, 22)))
  h = i32x4.mul(h, i32x4.splat(INVERSE_1))
  return v128.xor(h, i32x4.shr_u(h, 17))
}

function position1(u: u32, key: u32, second: u32): u32 {
  return <u32>i32x4.extract_lane(position(i32x4.splat(u), i32x4.splat(key), i32x4.splat(second)), 0)
}
