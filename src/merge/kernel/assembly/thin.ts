// Task vectors, thinned out: z = keep ? c (x - b) : 0, rounded to float32 after the difference and after the product.
//
// A term says what is kept of one model's task vector, 96 bytes:
//
//    0  u32  address of x
//    4  u32  address of a table of one u16 per element: upper halves of the element's random numbers, or u32 ranks (VARYING)
//    8  u32  address of a table of one u16 per element: ranks in the row
//   12  i32  what is kept: one of the kinds below
//   16  f32  c
//   20  i32  RANKS: magnitude (float32 bits) and position of the smallest element that is kept; equal magnitudes count as larger the
//   24  i32         earlier they come
//   28  i32  RANKS: the same of the smallest element that is too large; 0x7fffffff for none
//   32  i32
//   36  u32  RANDOM: random numbers below this are kept. VARYING: ranks below this
//   40  i32  keys of the random numbers, see `operators/hash-random.ts`
//   44  i32
//   48  f64  ROW_RANKS: probability of the smallest of a row
//   56  f64  and how much the largest has more
//   64  f64  and the largest's rank

const ALL: i32 = 0
const RANKS: i32 = 1
const RANDOM: i32 = 2
const ROW_RANKS: i32 = 3
const ROW_RANKS_DIVIDED: i32 = 4 // by the probability of being kept
const VARYING: i32 = 5

/**
 * @param z address of the result
 * @param base address of b
 * @param index position of the first element in its tensor
 * @param offset bytes from the start of the tables and of x to the first element's, counted in float32
 */
export function thin(z: usize, base: usize, term: usize, index: i32, offset: usize, bytes: usize): void {
  const x = <usize>load<u32>(term) + offset
  const kind = load<i32>(term, 12)
  const c = v128.load_splat<f32>(term, 16)
  if (kind == ALL) {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(z + i, f32x4.mul(c, delta(x + i, base + i)))
  } else if (kind == RANKS) {
    thinByRank(z, base, x, c, term, index, bytes)
  } else if (kind == RANDOM) {
    thinByChance(z, base, x, c, term, index, offset, bytes)
  } else if (kind == VARYING) {
    const ranks = <usize>load<u32>(term, 4) + offset
    const limit = v128.load_splat<u32>(term, 36)
    for (let i: usize = 0; i < bytes; i += 16) {
      const kept = i32x4.lt_u(v128.load(ranks + i), limit)
      v128.store(z + i, v128.and(kept, f32x4.mul(c, delta(x + i, base + i))))
    }
  } else {
    thinByRowRank(z, base, x, c, term, kind == ROW_RANKS_DIVIDED, index, offset, bytes)
  }
}

@inline
function delta(x: usize, base: usize): v128 {
  return f32x4.sub(v128.load(x), v128.load(base))
}

@inline
export function positions(index: i32): v128 {
  return i32x4.add(i32x4.splat(index), i32x4(0, 1, 2, 3))
}

function thinByRank(z: usize, base: usize, x: usize, c: v128, term: usize, index: i32, bytes: usize): void {
  const low = v128.load_splat<i32>(term, 20), lowAt = v128.load_splat<i32>(term, 24)
  const high = v128.load_splat<i32>(term, 28), highAt = v128.load_splat<i32>(term, 32)
  const bounded = load<i32>(term, 28) != i32.MAX_VALUE
  let at = positions(index)
  for (let i: usize = 0; i < bytes; i += 16) {
    const t = delta(x + i, base + i)
    const magnitude = v128.and(t, i32x4.splat(0x7fffffff))
    let kept = v128.or(
      i32x4.gt_s(magnitude, low),
      v128.and(i32x4.eq(magnitude, low), i32x4.le_s(at, lowAt)),
    )
    if (bounded) {
      const below = v128.or(i32x4.lt_s(magnitude, high), v128.and(i32x4.eq(magnitude, high), i32x4.gt_s(at, highAt)))
      kept = v128.and(kept, below)
    }
    v128.store(z + i, v128.and(kept, f32x4.mul(c, t)))
    at = i32x4.add(at, i32x4.splat(4))
  }
}

// The table has the upper halves of the random numbers: only where such a half equals the threshold's, one in 65536, the number itself decides.
function thinByChance(z: usize, base: usize, x: usize, c: v128, term: usize, index: i32, offset: usize, bytes: usize): void {
  const halves = <usize>load<u32>(term, 4) + (offset >> 1)
  const threshold = v128.load_splat<u32>(term, 36)
  const upper = i32x4.shr_u(threshold, 16)
  for (let i: usize = 0; i < bytes; i += 16) {
    const u = v128.load_ext<u16>(halves + (i >> 1))
    let kept = i32x4.lt_s(u, upper)
    const unsure = i32x4.eq(u, upper)
    if (v128.any_true(unsure)) {
      const exact = uniform(positions(index + <i32>(i >> 2)), load<i32>(term, 40), load<i32>(term, 44))
      kept = v128.or(kept, v128.and(unsure, i32x4.lt_u(exact, threshold)))
    }
    v128.store(z + i, v128.and(kept, f32x4.mul(c, delta(x + i, base + i))))
  }
}

// p in units of 2^-16, as the table. In float32 it is off by less than `margin`; what that leaves open is decided in float64.
function thinByRowRank(
  z: usize, base: usize, x: usize, c: v128, term: usize, divided: bool, index: i32, offset: usize, bytes: usize,
): void {
  const halves = <usize>load<u32>(term, 4) + (offset >> 1)
  const ranks = <usize>load<u32>(term, 8) + (offset >> 1)
  const least = load<f64>(term, 48), gain = load<f64>(term, 56), last = load<f64>(term, 64)
  const p0 = f32x4.splat(<f32>(least * 65536))
  const slope = f32x4.splat(last > 0 ? <f32>(gain / last * 65536) : 0)
  const margin = f32x4.splat(0.0625)
  for (let i: usize = 0; i < bytes; i += 16) {
    const rank = v128.load_ext<u16>(ranks + (i >> 1))
    const u = f32x4.convert_i32x4_s(v128.load_ext<u16>(halves + (i >> 1)))
    const p = f32x4.add(p0, f32x4.mul(slope, f32x4.convert_i32x4_s(rank)))
    let kept = f32x4.ge(p, f32x4.add(f32x4.add(u, f32x4.splat(1)), margin))
    const unsure = v128.andnot(f32x4.gt(f32x4.add(p, margin), u), kept)
    if (v128.any_true(unsure)) kept = decide(kept, unsure, rank, term, index + <i32>(i >> 2))
    const t = delta(x + i, base + i)
    const scaled = divided ? f32x4.div(t, f32x4.mul(p, f32x4.splat(1.52587890625e-5))) : t
    v128.store(z + i, v128.and(kept, f32x4.mul(c, scaled)))
  }
}

function decide(kept: v128, unsure: v128, rank: v128, term: usize, index: i32): v128 {
  const u = uniform(positions(index), load<i32>(term, 40), load<i32>(term, 44))
  kept = i32x4.replace_lane(kept, 0, decideLane(i32x4.extract_lane(kept, 0), i32x4.extract_lane(unsure, 0), i32x4.extract_lane(rank, 0), i32x4.extract_lane(u, 0), term))
  kept = i32x4.replace_lane(kept, 1, decideLane(i32x4.extract_lane(kept, 1), i32x4.extract_lane(unsure, 1), i32x4.extract_lane(rank, 1), i32x4.extract_lane(u, 1), term))
  kept = i32x4.replace_lane(kept, 2, decideLane(i32x4.extract_lane(kept, 2), i32x4.extract_lane(unsure, 2), i32x4.extract_lane(rank, 2), i32x4.extract_lane(u, 2), term))
  return i32x4.replace_lane(kept, 3, decideLane(i32x4.extract_lane(kept, 3), i32x4.extract_lane(unsure, 3), i32x4.extract_lane(rank, 3), i32x4.extract_lane(u, 3), term))
}

function decideLane(kept: i32, unsure: i32, rank: i32, u: i32, term: usize): i32 {
  if (unsure == 0) return kept
  const last = load<f64>(term, 64)
  const p = last > 0 ? load<f64>(term, 48) + load<f64>(term, 56) * <f64>rank / last : load<f64>(term, 48)
  return <f64>(<u32>u) * 2.3283064365386963e-10 < p ? -1 : 0 // 2^-32
}

// Random numbers by position, the hash of `operators/hash-random.ts`.
@inline
export function uniform(at: v128, key: i32, second: i32): v128 {
  return mix(i32x4.add(mix(v128.xor(at, i32x4.splat(key))), i32x4.splat(second)))
}

@inline
function mix(h: v128): v128 {
  h = i32x4.mul(v128.xor(h, i32x4.shr_u(h, 17)), i32x4.splat(0xed5ad4bb))
  h = i32x4.mul(v128.xor(h, i32x4.shr_u(h, 11)), i32x4.splat(0xac4c1b51))
  h = i32x4.mul(v128.xor(h, i32x4.shr_u(h, 15)), i32x4.splat(0x31848bab))
  return v128.xor(h, i32x4.shr_u(h, 14))
}

/** Fills a table with the upper halves of the random numbers of `count` elements, a multiple of 8, from position `index` on. */
export function uniformHalves(out: usize, key: i32, second: i32, index: i32, count: i32): void {
  const end = index + count
  for (; index < end; index += 8, out += 16) {
    const a = i32x4.shr_u(uniform(positions(index), key, second), 16)
    const b = i32x4.shr_u(uniform(positions(index + 4), key, second), 16)
    v128.store(out, i16x8.narrow_i32x4_u(a, b))
  }
}
