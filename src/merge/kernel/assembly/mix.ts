// How a block of thinned task vectors, which lie in a work area, is mixed into what is added to the base. Sums run over the models in their order,
// each step rounded to float32; `twin.ts` has the same in plain words.

import { thin } from './thin'

/** A term's bytes, see `thin.ts`. */
export const TERM: usize = 96

export const SUM: i32 = 0
export const ELECT: i32 = 1
export const ELECT_NORMALIZED: i32 = 2
const ERASE: i32 = 3
const CONSENSUS: i32 = 4
const LIMIT: i32 = 5

/**
 * Thins and mixes one block, whatever is kept and however it is mixed. The arguments are those of `taskVectorPass`.
 * @param base address of the block's b
 * @param index position of the block's first element in its tensor
 * @param offset of the block, added to the addresses of what the terms name
 * @param size bytes of the block, at most `block`
 * @returns the largest magnitudes in the result
 */
export function mixBlock(
  out: usize, base: usize, terms: usize, weights: usize, count: i32, mixing: i32, scale: f32, bound: f32,
  work: usize, block: usize, index: i32, offset: usize, size: usize,
): v128 {
  for (let m: i32 = 0; m < count; m++) {
    thin(work + <usize>m * block, base, terms + <usize>m * TERM, index, offset, size)
  }
  if (mixing == SUM) return mixSum(out, base, work, block, count, scale, size)
  if (mixing == ELECT) return mixElected(out, base, work, block, count, scale, size)
  if (mixing == ELECT_NORMALIZED) return mixElectedMean(out, base, work, block, count, weights, 0, scale, size)
  if (mixing == ERASE) return mixElectedMean(out, base, work, block, count, weights, 1e-6, scale, size)
  if (mixing == CONSENSUS) return mixConsensus(out, base, work, block, count, weights, bound, scale, size)
  if (mixing == LIMIT) return mixLimited(out, base, work, scale, size)
  return mixUnique(out, base, work, block, count, weights, bound, size)
}

// What is added is s; where it is 0 the base keeps its bits. Returns the magnitudes.
@inline
function add(out: usize, base: usize, s: v128): v128 {
  const b = v128.load(base)
  const r = v128.bitselect(b, f32x4.add(b, s), f32x4.eq(s, f32x4.splat(0)))
  v128.store(out, r)
  return v128.and(r, i32x4.splat(0x7fffffff))
}

@inline
function sumAt(z: usize, block: usize, count: i32): v128 {
  let s = v128.load(z)
  for (let m: i32 = 1; m < count; m++) {
    z += block
    s = f32x4.add(s, v128.load(z))
  }
  return s
}

function mixSum(out: usize, base: usize, work: usize, block: usize, count: i32, scale: f32, bytes: usize): v128 {
  let largest = i32x4.splat(0)
  const factor = f32x4.splat(scale)
  for (let i: usize = 0; i < bytes; i += 16) {
    largest = i32x4.max_u(largest, add(out + i, base + i, f32x4.mul(factor, sumAt(work + i, block, count))))
  }
  return largest
}

// Elements of the elected sign: + where the sum is 0 or more. An exact zero has no sign.
@inline
function agrees(z: v128, positive: v128): v128 {
  return v128.bitselect(f32x4.gt(z, f32x4.splat(0)), f32x4.lt(z, f32x4.splat(0)), positive)
}

function mixElected(out: usize, base: usize, work: usize, block: usize, count: i32, scale: f32, bytes: usize): v128 {
  let largest = i32x4.splat(0)
  const factor = f32x4.splat(scale)
  for (let i: usize = 0; i < bytes; i += 16) {
    const positive = f32x4.ge(sumAt(work + i, block, count), f32x4.splat(0))
    let kept = f32x4.splat(0)
    for (let m: i32 = 0, z = work + i; m < count; m++, z += block) {
      const value = v128.load(z)
      kept = f32x4.add(kept, v128.and(value, agrees(value, positive)))
    }
    largest = i32x4.max_u(largest, add(out + i, base + i, f32x4.mul(factor, kept)))
  }
  return largest
}

// Σ z / Σ w over those of the elected sign. Weights that add up to 0 divide by 1; with `floor`, by that much at least. There, election is by
// the task vectors, and weights multiply afterwards.
@inline
function electedMean(out: usize, base: usize, work: usize, block: usize, count: i32, weights: usize, floor: f32, scale: f32, bytes: usize): v128 {
  let largest = i32x4.splat(0)
  const factor = f32x4.splat(scale), one = f32x4.splat(1), zero = f32x4.splat(0)
  for (let i: usize = 0; i < bytes; i += 16) {
    const positive = f32x4.ge(sumAt(work + i, block, count), zero)
    let kept = zero, weight = zero
    for (let m: i32 = 0, z = work + i; m < count; m++, z += block) {
      const value = v128.load(z)
      const w = v128.load_splat<f32>(weights + (<usize>m << 2))
      const agreeing = agrees(value, positive)
      kept = f32x4.add(kept, v128.and(agreeing, floor > 0 ? f32x4.mul(w, value) : value))
      weight = f32x4.add(weight, v128.and(agreeing, w))
    }
    const divisor = floor > 0 ? f32x4.max(weight, f32x4.splat(floor)) : v128.bitselect(one, weight, f32x4.eq(weight, zero))
    largest = i32x4.max_u(largest, add(out + i, base + i, f32x4.mul(factor, f32x4.div(kept, divisor))))
  }
  return largest
}

function mixElectedMean(out: usize, base: usize, work: usize, block: usize, count: i32, weights: usize, floor: f32, scale: f32, bytes: usize): v128 {
  if (floor > 0) return electedMean(out, base, work, block, count, weights, 1e-6, scale, bytes)
  return electedMean(out, base, work, block, count, weights, 0, scale, bytes)
}

function mixConsensus(
  out: usize, base: usize, work: usize, block: usize, count: i32, lambdas: usize, least: f32, scale: f32, bytes: usize,
): v128 {
  let largest = i32x4.splat(0)
  const factor = f32x4.splat(scale), needed = f32x4.splat(least), one = f32x4.splat(1)
  for (let i: usize = 0; i < bytes; i += 16) {
    const total = sumAt(work + i, block, count)
    let tasks = f32x4.splat(0)
    for (let m: i32 = 0, z = work + i; m < count; m++, z += block) {
      const own = v128.load(z)
      const others = f32x4.mul(v128.load_splat<f32>(lambdas + (<usize>m << 2)), f32x4.abs(f32x4.sub(total, own)))
      tasks = f32x4.add(tasks, v128.and(one, f32x4.gt(f32x4.abs(own), others)))
    }
    const kept = v128.and(f32x4.ge(tasks, needed), f32x4.mul(factor, total))
    largest = i32x4.max_u(largest, add(out + i, base + i, kept))
  }
  return largest
}

function mixLimited(out: usize, base: usize, work: usize, limit: f32, bytes: usize): v128 {
  let largest = i32x4.splat(0)
  const t = f32x4.splat(limit), floor = f32x4.splat(1e-6), one = f32x4.splat(1), zero = f32x4.splat(0)
  for (let i: usize = 0; i < bytes; i += 16) {
    const z = v128.load(work + i)
    const share = f32x4.min(one, f32x4.max(zero, f32x4.div(t, f32x4.max(f32x4.abs(z), floor))))
    largest = i32x4.max_u(largest, add(out + i, base + i, f32x4.mul(share, z)))
  }
  return largest
}

function mixUnique(
  out: usize, base: usize, work: usize, block: usize, count: i32, factors: usize, epsilon: f32, bytes: usize,
): v128 {
  let largest = i32x4.splat(0)
  const bound = f32x4.splat(epsilon), one = f32x4.splat(1)
  for (let i: usize = 0; i < bytes; i += 16) {
    let total = f32x4.splat(0), active = f32x4.splat(0), factor = one
    for (let m: i32 = 0, z = work + i; m < count; m++, z += block) {
      const value = v128.load(z)
      const counts = f32x4.gt(f32x4.abs(value), bound)
      total = f32x4.add(total, v128.and(counts, value))
      active = f32x4.add(active, v128.and(counts, one))
      factor = v128.bitselect(v128.load_splat<f32>(factors + (<usize>m << 2)), factor, counts)
    }
    const mean = f32x4.div(total, f32x4.max(active, one))
    const s = v128.bitselect(f32x4.mul(factor, total), mean, f32x4.eq(active, one))
    largest = i32x4.max_u(largest, add(out + i, base + i, s))
  }
  return largest
}
