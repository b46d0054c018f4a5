// Passes for up to four models that keep task vectors in registers: thinned out by rank or by chance, then added up or mixed by elected
// signs. The bits are those of `thin.ts` and `mix.ts`, by fewer instructions:
//
//   - Away from the positions of the bounds, "equal magnitudes count as larger the earlier they come" is one comparison: magnitudes m in
//     [a, h) as whole numbers, with a or h one higher behind its position. As 2 (m - a) < 2 (h - a), both moved into signed range.
//   - Signs: with all z of an element turned around where their sum is negative, those elected are the positive ones.
//   - What is 0 is added as -0, which leaves every base its bits.

import { ALL, BY_CHANCE, BY_RANK, factor, first, halves, RANDOM, RANKS, second, source, weight } from './fused-terms'
import { ELECT, ELECT_NORMALIZED, mixBlock, SUM, TERM } from './mix'

// Constant distances from an address, as types: what a load is given must be known where it is compiled.
@unmanaged class At0 {}
@unmanaged class At8 { own: u64 }
@unmanaged class At16 extends At8 { more: u64 }

/** Which of the loops does what these terms ask for; 0: none. A term that keeps all goes with either. */
export function fusedKind(terms: usize, count: i32): i32 {
  if (count > 4) return 0
  let kind = 0
  for (let m: i32 = 0; m < count; m++) {
    const own = load<i32>(terms + <usize>m * TERM, 12)
    if (own > RANDOM) return 0
    if (own == ALL) continue
    if (kind != 0 && kind != own) return 0
    kind = own
  }
  return kind == RANDOM ? BY_CHANCE : BY_RANK
}

/** Bytes from position `index` to the block of 64 that has the position of a bound: 0 if this one has. */
export function bytesUntilBound(kind: i32, terms: usize, count: i32, index: i32): usize {
  let nearest: u32 = 0x3fffffff
  if (kind == BY_RANK) {
    for (let m: i32 = 0; m < count; m++) {
      const term = terms + <usize>m * TERM
      if (load<i32>(term, 12) != RANKS) continue
      const low = load<i32>(term, 24), high = load<i32>(term, 32)
      if (low >= index) nearest = min(nearest, <u32>(low - index))
      if (high >= index) nearest = min(nearest, <u32>(high - index))
    }
  }
  return (<usize>nearest & ~15) << 2
}

/**
 * As `mixBlock`, of any size. By rank: the position of a bound must not be among the elements.
 * @param work address of `block` bytes for each term, for blocks where 16 bits of a random number leave open whether it is below
 */
export function fused(
  kind: i32, mixing: i32, count: i32, out: usize, base: usize, terms: usize, weights: usize, scale: f32,
  work: usize, block: usize, index: i32, offset: usize, bytes: usize,
): v128 {
  if (count == 1 && mixing == ELECT) mixing = SUM // one model elects its own signs
  if (kind == BY_RANK) {
    if (mixing == SUM) return loops(BY_RANK, SUM, count, out, base, terms, weights, scale, work, block, index, offset, bytes)
    if (mixing == ELECT) return loops(BY_RANK, ELECT, count, out, base, terms, weights, scale, work, block, index, offset, bytes)
    return loops(BY_RANK, ELECT_NORMALIZED, count, out, base, terms, weights, scale, work, block, index, offset, bytes)
  }
  if (mixing == SUM) return loops(BY_CHANCE, SUM, count, out, base, terms, weights, scale, work, block, index, offset, bytes)
  if (mixing == ELECT) return loops(BY_CHANCE, ELECT, count, out, base, terms, weights, scale, work, block, index, offset, bytes)
  return loops(BY_CHANCE, ELECT_NORMALIZED, count, out, base, terms, weights, scale, work, block, index, offset, bytes)
}

@inline
function loops(
  kind: i32, mixing: i32, count: i32, out: usize, base: usize, terms: usize, weights: usize, scale: f32,
  work: usize, block: usize, index: i32, offset: usize, bytes: usize,
): v128 {
  // Nested, so that what a constant rules out is not even compiled.
  if (mixing != ELECT) {
    if (count == 1) return loop(kind, mixing, 1, out, base, terms, weights, scale, work, block, index, offset, bytes)
  }
  if (count == 2) return loop(kind, mixing, 2, out, base, terms, weights, scale, work, block, index, offset, bytes)
  if (count == 3) return loop(kind, mixing, 3, out, base, terms, weights, scale, work, block, index, offset, bytes)
  return loop(kind, mixing, 4, out, base, terms, weights, scale, work, block, index, offset, bytes)
}

// `kind`, `mixing` and `count` are constants where this is inlined: each copy is one loop. What a kind does not use is folded away.
@inline
function loop(
  kind: i32, mixing: i32, count: i32, out: usize, base: usize, terms: usize, weights: usize, scale: f32,
  work: usize, block: usize, index: i32, offset: usize, bytes: usize,
): v128 {
  const none = i32x4.splat(0)
  const x1 = source(terms, 0, offset), x2 = count > 1 ? source(terms, 1, offset) : 0
  const x3 = count > 2 ? source(terms, 2, offset) : 0, x4 = count > 3 ? source(terms, 3, offset) : 0
  const c1 = factor(terms, 0), c2 = count > 1 ? factor(terms, 1) : none
  const c3 = count > 2 ? factor(terms, 2) : none, c4 = count > 3 ? factor(terms, 3) : none
  const p1 = first(kind, terms, 0, index), p2 = count > 1 ? first(kind, terms, 1, index) : none
  const p3 = count > 2 ? first(kind, terms, 2, index) : none, p4 = count > 3 ? first(kind, terms, 3, index) : none
  const q1 = second(kind, terms, 0, index), q2 = count > 1 ? second(kind, terms, 1, index) : none
  const q3 = count > 2 ? second(kind, terms, 2, index) : none, q4 = count > 3 ? second(kind, terms, 3, index) : none
  const h1 = kind == BY_CHANCE ? halves(terms, 0, offset) : 0, h2 = kind == BY_CHANCE && count > 1 ? halves(terms, 1, offset) : 0
  const h3 = kind == BY_CHANCE && count > 2 ? halves(terms, 2, offset) : 0, h4 = kind == BY_CHANCE && count > 3 ? halves(terms, 3, offset) : 0
  const w1 = weight(mixing, weights, 0), w2 = count > 1 ? weight(mixing, weights, 1) : none
  const w3 = count > 2 ? weight(mixing, weights, 2) : none, w4 = count > 3 ? weight(mixing, weights, 3) : none
  const scales = f32x4.splat(scale)
  let largest = none
  for (let i: usize = 0; i < bytes; i += 32) {
    if (kind == BY_CHANCE) {
      let open = isOpen(h1 + (i >> 1), q1)
      if (count > 1) open = v128.or(open, isOpen(h2 + (i >> 1), q2))
      if (count > 2) open = v128.or(open, isOpen(h3 + (i >> 1), q3))
      if (count > 3) open = v128.or(open, isOpen(h4 + (i >> 1), q4))
      if (v128.any_true(open)) {
        const most = mixBlock(
          out + i, base + i, terms, weights, count, mixing, scale, 0, work, block, index + <i32>(i >> 2), offset + i, 32,
        )
        largest = i32x4.max_u(largest, i32x4.shl(most, 1))
        continue
      }
    }
    // Addresses of the block; what is in it lies at constant distances.
    const o = out + i, b = base + i, y1 = x1 + i, y2 = x2 + i, y3 = x3 + i, y4 = x4 + i
    const g1 = h1 + (i >> 1), g2 = h2 + (i >> 1), g3 = h3 + (i >> 1), g4 = h4 + (i >> 1)
    const m1 = vector<At0, At0>(kind, mixing, count, o, b, y1, y2, y3, y4, c1, c2, c3, c4, p1, p2, p3, p4, q1, q2, q3, q4, g1, g2, g3, g4, w1, w2, w3, w4, scales)
    const m2 = vector<At16, At8>(kind, mixing, count, o, b, y1, y2, y3, y4, c1, c2, c3, c4, p1, p2, p3, p4, q1, q2, q3, q4, g1, g2, g3, g4, w1, w2, w3, w4, scales)
    largest = i32x4.max_u(largest, i32x4.max_u(m1, m2))
  }
  return i32x4.shr_u(largest, 1)
}

// Four elements of the result, so far from the addresses; returns their magnitudes' bits, doubled.
@inline
function vector<A, H>(
  kind: i32, mixing: i32, count: i32, out: usize, base: usize, x1: usize, x2: usize, x3: usize, x4: usize,
  c1: v128, c2: v128, c3: v128, c4: v128, p1: v128, p2: v128, p3: v128, p4: v128, q1: v128, q2: v128, q3: v128, q4: v128,
  h1: usize, h2: usize, h3: usize, h4: usize, w1: v128, w2: v128, w3: v128, w4: v128, scales: v128,
): v128 {
  const zero = f32x4.splat(0), sign = i32x4.splat(0x80000000)
  const b = v128.load(base, offsetof<A>())
  let z1 = thinned<A, H>(kind, b, x1, c1, p1, q1, h1)
  let z2 = count > 1 ? thinned<A, H>(kind, b, x2, c2, p2, q2, h2) : zero
  let z3 = count > 2 ? thinned<A, H>(kind, b, x3, c3, p3, q3, h3) : zero
  let z4 = count > 3 ? thinned<A, H>(kind, b, x4, c4, p4, q4, h4) : zero
  let s = z1
  if (count > 1) s = f32x4.add(s, z2)
  if (count > 2) s = f32x4.add(s, z3)
  if (count > 3) s = f32x4.add(s, z4)
  if (mixing != SUM) {
    const turned = v128.and(s, sign)
    z1 = v128.xor(z1, turned)
    s = f32x4.pmax(zero, z1)
    if (count > 1) {
      z2 = v128.xor(z2, turned)
      s = f32x4.add(s, f32x4.pmax(zero, z2))
    }
    if (count > 2) {
      z3 = v128.xor(z3, turned)
      s = f32x4.add(s, f32x4.pmax(zero, z3))
    }
    if (count > 3) {
      z4 = v128.xor(z4, turned)
      s = f32x4.add(s, f32x4.pmax(zero, z4))
    }
    if (mixing == ELECT_NORMALIZED) {
      let divisor = v128.and(w1, f32x4.gt(z1, zero))
      if (count > 1) divisor = f32x4.add(divisor, v128.and(w2, f32x4.gt(z2, zero)))
      if (count > 2) divisor = f32x4.add(divisor, v128.and(w3, f32x4.gt(z3, zero)))
      if (count > 3) divisor = f32x4.add(divisor, v128.and(w4, f32x4.gt(z4, zero)))
      // Weights that add up to 0 divide by 1.
      s = f32x4.div(s, f32x4.add(divisor, v128.and(f32x4.eq(divisor, zero), f32x4.splat(1))))
    }
    s = v128.xor(s, turned)
  }
  s = f32x4.mul(scales, s)
  const r = f32x4.add(b, v128.or(s, i32x4.shl(f32x4.eq(s, zero), 31)))
  v128.store(out, r, offsetof<A>())
  return i32x4.add(r, r)
}

@inline
function thinned<A, H>(kind: i32, b: v128, x: usize, c: v128, p: v128, q: v128, h: usize): v128 {
  const t = f32x4.sub(v128.load(x, offsetof<A>()), b)
  const kept = kind == BY_RANK ? i32x4.lt_s(i32x4.sub(i32x4.add(t, t), p), q) : i32x4.gt_s(p, v128.load_ext<u16>(h, offsetof<H>()))
  return v128.and(kept, f32x4.mul(c, t))
}

// Whether the upper halves of some of 8 random numbers are the threshold's.
@inline
function isOpen(h: usize, upper: v128): v128 {
  return i16x8.eq(v128.load(h), upper)
}
