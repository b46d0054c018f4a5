// What the loops of `fused.ts` keep in registers of each term, see `thin.ts`.
import { ELECT_NORMALIZED, TERM } from './mix'

/** The loops of `fused.ts`: by magnitude, and by random number. */
export const BY_RANK: i32 = 1
export const BY_CHANCE: i32 = 2

/** Kinds of `thin.ts` that they know. */
export const ALL: i32 = 0
export const RANKS: i32 = 1
export const RANDOM: i32 = 2

@inline
export function source(terms: usize, m: usize, offset: usize): usize {
  return <usize>load<u32>(terms + m * TERM) + offset
}

@inline
export function halves(terms: usize, m: usize, offset: usize): usize {
  // A term that keeps all has no table: any other's does, nothing in it is above its threshold.
  const term = terms + m * TERM
  return <usize>load<u32>(load<i32>(term, 12) == RANDOM ? term : tabled(terms), 4) + (offset >> 1)
}

function tabled(terms: usize): usize {
  while (load<i32>(terms, 12) != RANDOM) terms += TERM
  return terms
}

@inline
export function factor(terms: usize, m: usize): v128 {
  return v128.load_splat<f32>(terms + m * TERM, 16)
}

@inline
export function weight(mixing: i32, weights: usize, m: usize): v128 {
  return mixing == ELECT_NORMALIZED ? v128.load_splat<f32>(weights + (m << 2)) : i32x4.splat(0)
}

// What a doubled magnitude is compared with, or the upper half of the threshold, in lanes of 32 bits.
@inline
export function first(kind: i32, terms: usize, m: usize, index: i32): v128 {
  if (kind == BY_RANK) return i32x4.splat(<i32>((least(terms + m * TERM, index) << 1) + 0x80000000))
  return i32x4.splat(upperHalf(terms + m * TERM))
}

// How far above it a doubled magnitude may be, or the same upper half in lanes of 16 bits.
@inline
export function second(kind: i32, terms: usize, m: usize, index: i32): v128 {
  if (kind == BY_RANK) return i32x4.splat(<i32>((span(terms + m * TERM, index) << 1) + 0x80000000))
  return i16x8.splat(<i16>upperHalf(terms + m * TERM))
}

// Bits of the smallest magnitude that is kept from `index` on.
function least(term: usize, index: i32): u32 {
  if (load<i32>(term, 12) == ALL) return 0
  const low = load<u32>(term, 20)
  return index > load<i32>(term, 24) ? low + 1 : low
}

// How many magnitudes are kept from there on.
function span(term: usize, index: i32): u32 {
  if (load<i32>(term, 12) == ALL) return 0x7fffffff
  const high = load<u32>(term, 28)
  const end = index > load<i32>(term, 32) ? min(high + 1, <u32>0x7fffffff) : high
  const begin = least(term, index)
  return end > begin ? end - begin : 0
}

function upperHalf(term: usize): i32 {
  return load<i32>(term, 12) == ALL ? 0x10000 : <i32>(load<u32>(term, 36) >>> 16)
}
