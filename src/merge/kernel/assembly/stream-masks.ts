// Which elements of a task vector stay, one bit each: element i is bit i % 8 of byte i / 8. `count` is a multiple of 16. The definitions
// are in `operators/sparsify.ts`; the random numbers are those of `operators/hash-random.ts`.
import { magnitude } from './stream-reduce'

/** Bits of the elements whose random word is at most `last`. `first` is the lower half of the first element's position in its tensor. */
export function maskRandom(bits: usize, first: u32, key: u32, second: u32, last: u32, count: i32): void {
  const k = i32x4.splat(key)
  const s = i32x4.splat(second)
  const limit = i32x4.splat(last)
  let position = i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3))
  const four = i32x4.splat(4)
  for (let i = 0; i < count; i += 16, bits += 2) {
    const a = i32x4.le_u(word(position, k, s), limit)
    position = i32x4.add(position, four)
    const b = i32x4.le_u(word(position, k, s), limit)
    position = i32x4.add(position, four)
    const c = i32x4.le_u(word(position, k, s), limit)
    position = i32x4.add(position, four)
    const d = i32x4.le_u(word(position, k, s), limit)
    position = i32x4.add(position, four)
    store<u16>(bits, <u16>packed(a, b, c, d))
  }
}

/** The random words of four positions. */
@inline
export function word(position: v128, key: v128, second: v128): v128 {
  return mix(i32x4.add(mix(v128.xor(position, key)), second))
}

@inline
function mix(x: v128): v128 {
  let h = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 17)), i32x4.splat(0xed5ad4bb))
  h = i32x4.mul(v128.xor(h, i32x4.shr_u(h, 11)), i32x4.splat(0xac4c1b51))
  h = i32x4.mul(v128.xor(h, i32x4.shr_u(h, 15)), i32x4.splat(0x31848bab))
  return v128.xor(h, i32x4.shr_u(h, 14))
}

/** The random word of one position. */
@inline
export function wordAt(position: u32, key: u32, second: u32): u32 {
  return mixWord(mixWord(position ^ key) + second)
}

@inline
function mixWord(x: u32): u32 {
  let h = (x ^ (x >> 17)) * 0xed5ad4bb
  h = (h ^ (h >> 11)) * 0xac4c1b51
  h = (h ^ (h >> 15)) * 0x31848bab
  return h ^ (h >> 14)
}

/** Sixteen lanes of all ones or none, as bits. */
@inline
export function packed(a: v128, b: v128, c: v128, d: v128): i32 {
  return i8x16.bitmask(i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d)))
}

/**
 * Bits of the elements whose |x - b| lies above a cut. A cut is a magnitude and how many of the elements that have it are above, in the order
 * of their positions.
 * @param threshold the magnitude rounded to float32, its bits
 * @param exact the magnitude in float64; negative: all that round to the threshold count as equal
 * @param left address of a f64: how many equal elements are still above; counted down
 * @param below 1: clears the bits of the elements above instead, and leaves the others
 */
export function maskAbove(
  bits: usize, x: usize, base: usize, threshold: u32, exact: f64, left: usize, below: bool, count: i32,
): void {
  const limit = i32x4.splat(threshold)
  for (let i = 0; i < count; i += 16, bits += 2, x += 64, base += 64) {
    const a = magnitude(f32x4.sub(v128.load(x), v128.load(base)))
    const b = magnitude(f32x4.sub(v128.load(x, 16), v128.load(base, 16)))
    const c = magnitude(f32x4.sub(v128.load(x, 32), v128.load(base, 32)))
    const d = magnitude(f32x4.sub(v128.load(x, 48), v128.load(base, 48)))
    let above = packed(i32x4.gt_u(a, limit), i32x4.gt_u(b, limit), i32x4.gt_u(c, limit), i32x4.gt_u(d, limit))
    const equal = packed(i32x4.eq(a, limit), i32x4.eq(b, limit), i32x4.eq(c, limit), i32x4.eq(d, limit))
    if (equal) above |= equalAbove(equal, x, base, exact, left)
    store<u16>(bits, <u16>(below ? <i32>load<u16>(bits) & ~above : above))
  }
}

function equalAbove(equal: i32, x: usize, base: usize, exact: f64, left: usize): i32 {
  let above = 0
  while (equal) {
    const lane = ctz(equal)
    equal &= equal - 1
    if (exact >= 0) {
      const at = <usize>lane << 2
      const size = abs(<f64>load<f32>(x + at) - <f64>load<f32>(base + at))
      if (size > exact) above |= 1 << lane
      if (size != exact) continue
    }
    const rest = load<f64>(left)
    if (rest <= 0) continue
    store<f64>(left, rest - 1)
    above |= 1 << lane
  }
  return above
}
