// A pass over a stretch of a tensor. Where `fused.ts` has a loop for what is kept and how it is mixed, task vectors stay in registers; elsewhere,
// block by block, all of them are thinned out into a work area that stays in the cache, and mixed from there. Both give the same bits.

import { bytesUntilBound, fused, fusedKind } from './fused'
import { ELECT_NORMALIZED, mixBlock, TERM } from './mix'
import { thin } from './thin'

/**
 * @param out address of the result
 * @param base address of b
 * @param terms address of `count` terms
 * @param weights address of `count` f32: what a kept element counts (ELECT_NORMALIZED, ERASE), λ_m (CONSENSUS), factors of unique elements (UNIQUE)
 * @param mixing one of the kinds in `mix.ts`
 * @param scale of what is added; LIMIT: the largest change
 * @param bound CONSENSUS: least number of models; UNIQUE: magnitudes up to this do not count
 * @param work address of `block` bytes for each term; `block` is a multiple of 64
 * @param index position of the first element in its tensor
 * @param offset bytes added to the addresses of b and of what the terms name, not to `out`
 * @returns the largest magnitude in the result as float32 bits
 */
export function taskVectorPass(
  out: usize, base: usize, terms: usize, weights: usize, count: i32, mixing: i32, scale: f32, bound: f32,
  work: usize, block: usize, index: i32, offset: usize, bytes: usize,
): u32 {
  base += offset
  let largest = i32x4.splat(0)
  const kind = mixing <= ELECT_NORMALIZED ? fusedKind(terms, count) : 0
  for (let at: usize = 0; at < bytes; ) {
    const here = index + <i32>(at >> 2)
    let size = min(block, bytes - at)
    let most: v128
    const clear: usize = kind == 0 ? 0 : min(bytesUntilBound(kind, terms, count, here), bytes - at)
    if (clear > 0) {
      size = clear
      most = fused(kind, mixing, count, out + at, base + at, terms, weights, scale, work, block, here, offset + at, size)
    } else {
      if (kind != 0) size = 64
      most = mixBlock(
        out + at, base + at, terms, weights, count, mixing, scale, bound, work, block, here, offset + at, size,
      )
    }
    largest = i32x4.max_u(largest, most)
    at += size
  }
  return max(
    max(<u32>i32x4.extract_lane(largest, 0), <u32>i32x4.extract_lane(largest, 1)),
    max(<u32>i32x4.extract_lane(largest, 2), <u32>i32x4.extract_lane(largest, 3)),
  )
}

/**
 * Sums over what a term keeps, in float64: of magnitudes, or of squares.
 * @param work address of `block` bytes
 */
export function keptSum(base: usize, term: usize, squares: bool, work: usize, block: usize, index: i32, offset: usize, bytes: usize): f64 {
  let even = f64x2.splat(0), odd = f64x2.splat(0)
  for (let at: usize = 0; at < bytes; at += block) {
    const size = min(block, bytes - at)
    thin(work, base + offset + at, term, index + <i32>(at >> 2), offset + at, size)
    for (let i: usize = 0; i < size; i += 16) {
      const z = f32x4.abs(v128.load(work + i))
      const low = f64x2.promote_low_f32x4(z)
      const high = f64x2.promote_low_f32x4(i8x16.shuffle(z, z, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15))
      even = f64x2.add(even, squares ? f64x2.mul(low, low) : low)
      odd = f64x2.add(odd, squares ? f64x2.mul(high, high) : high)
    }
  }
  const both = f64x2.add(even, odd)
  return f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1)
}

/**
 * How many elements of each model are above `epsilon` together with others, and how many alone.
 * @param counts address of two u32 per term, added to
 */
export function countShared(
  base: usize, terms: usize, count: i32, epsilon: f32, counts: usize, work: usize, block: usize, index: i32, offset: usize, bytes: usize,
): void {
  const bound = f32x4.splat(epsilon), one = i32x4.splat(1)
  for (let at: usize = 0; at < bytes; at += block) {
    const size = min(block, bytes - at)
    for (let m: i32 = 0; m < count; m++) {
      thin(work + <usize>m * block, base + offset + at, terms + <usize>m * TERM, index + <i32>(at >> 2), offset + at, size)
    }
    for (let i: usize = 0; i < size; i += 16) {
      let active = i32x4.splat(0)
      for (let m: i32 = 0, z = work + i; m < count; m++, z += block) {
        active = i32x4.sub(active, f32x4.gt(f32x4.abs(v128.load(z)), bound))
      }
      const alone = i32x4.eq(active, one)
      for (let m: i32 = 0, z = work + i; m < count; m++, z += block) {
        const counts_ = f32x4.gt(f32x4.abs(v128.load(z)), bound)
        const unique = <u32>popcnt(i32x4.bitmask(v128.and(counts_, alone)))
        const own = <u32>popcnt(i32x4.bitmask(counts_))
        const to = counts + (<usize>m << 3)
        store<u32>(to, load<u32>(to) + own - unique)
        store<u32>(to, load<u32>(to, 4) + unique, 4)
      }
    }
  }
}
