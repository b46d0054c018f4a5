// Sums and counts over stretches of tensors, for operators that need numbers of a whole tensor before they write any of it. Differences
// are x - b. Addresses need no alignment; `count` is a multiple of 16, what fills the last block up is zero in both vectors.

/** Counts magnitudes of differences by the upper 16 bits of their float32: `table` is the address of 32768 u32. */
export function histogramHigh(table: usize, x: usize, base: usize, count: i32): void {
  const end = x + (<usize>count << 2)
  for (; x < end; x += 16, base += 16) {
    const d = f32x4.sub(v128.load(x), v128.load(base))
    const bins = i32x4.shl(i32x4.shr_u(i32x4.shl(d, 1), 17), 2)
    increment(table + <usize>i32x4.extract_lane(bins, 0))
    increment(table + <usize>i32x4.extract_lane(bins, 1))
    increment(table + <usize>i32x4.extract_lane(bins, 2))
    increment(table + <usize>i32x4.extract_lane(bins, 3))
  }
}

/**
 * Counts, of the magnitudes with the upper bits `high`, the lower 16 bits: `table` is the address of 65536 u32. Says whether any of these
 * differences was rounded to float32.
 */
export function histogramLow(table: usize, x: usize, base: usize, high: u32, count: i32): bool {
  let rounded = false
  const end = x + (<usize>count << 2)
  const wanted = i32x4.splat(high)
  for (; x < end; x += 32, base += 32) {
    const m1 = magnitude(f32x4.sub(v128.load(x), v128.load(base)))
    const m2 = magnitude(f32x4.sub(v128.load(x, 16), v128.load(base, 16)))
    const e1 = i32x4.eq(i32x4.shr_u(m1, 16), wanted)
    const e2 = i32x4.eq(i32x4.shr_u(m2, 16), wanted)
    if (!v128.any_true(v128.or(e1, e2))) continue
    countLow(table, m1, i32x4.bitmask(e1))
    countLow(table, m2, i32x4.bitmask(e2))
    if (!rounded) {
      let lanes = i32x4.bitmask(e1) | (i32x4.bitmask(e2) << 4)
      for (; lanes; lanes &= lanes - 1) {
        const at = <usize>ctz(lanes) << 2
        const a = load<f32>(x + at)
        const b = load<f32>(base + at)
        if (<f64>(a - b) != <f64>a - <f64>b) rounded = true
      }
    }
  }
  return rounded
}

/**
 * Counts magnitudes around a window of `size` bit patterns from `low` on, below those of infinity: at `table`, one u32 for each in it.
 * @param state address of three u32: how many lie above is added to the first; the second becomes the largest bits, if it is less; in the third,
 * bit k is set where a difference in the window's k-th 65536 was rounded to float32
 */
export function countWindow(table: usize, x: usize, base: usize, low: u32, size: u32, state: usize, count: i32): void {
  const end = x + (<usize>count << 2)
  const before = i32x4.splat(<i32>low - 1), last = i32x4.splat(<i32>(low + size) - 1)
  let above = i32x4.splat(0), most = i32x4.splat(0)
  for (; x < end; x += 64, base += 64) {
    const m1 = magnitude(f32x4.sub(v128.load(x), v128.load(base)))
    const m2 = magnitude(f32x4.sub(v128.load(x, 16), v128.load(base, 16)))
    const m3 = magnitude(f32x4.sub(v128.load(x, 32), v128.load(base, 32)))
    const m4 = magnitude(f32x4.sub(v128.load(x, 48), v128.load(base, 48)))
    const a1 = i32x4.gt_s(m1, last), a2 = i32x4.gt_s(m2, last), a3 = i32x4.gt_s(m3, last), a4 = i32x4.gt_s(m4, last)
    above = i32x4.sub(above, i32x4.add(i32x4.add(a1, a2), i32x4.add(a3, a4)))
    most = i32x4.max_u(most, i32x4.max_u(i32x4.max_u(m1, m2), i32x4.max_u(m3, m4)))
    const i1 = v128.andnot(i32x4.gt_s(m1, before), a1), i2 = v128.andnot(i32x4.gt_s(m2, before), a2)
    const i3 = v128.andnot(i32x4.gt_s(m3, before), a3), i4 = v128.andnot(i32x4.gt_s(m4, before), a4)
    if (!v128.any_true(v128.or(v128.or(i1, i2), v128.or(i3, i4)))) continue
    let lanes = i32x4.bitmask(i1) | (i32x4.bitmask(i2) << 4) | (i32x4.bitmask(i3) << 8) | (i32x4.bitmask(i4) << 12)
    for (; lanes; lanes &= lanes - 1) {
      const at = <usize>ctz(lanes) << 2
      const a = load<f32>(x + at), b = load<f32>(base + at)
      const place = (reinterpret<u32>(a - b) & 0x7fffffff) - low
      increment(table + (<usize>place << 2))
      if (<f64>(a - b) != <f64>a - <f64>b) store<u32>(state, load<u32>(state, 8) | (1 << (place >>> 16)), 8)
    }
  }
  store<u32>(state, load<u32>(state) + i32x4.extract_lane(above, 0) + i32x4.extract_lane(above, 1) + i32x4.extract_lane(above, 2) + i32x4.extract_lane(above, 3))
  store<u32>(state, max(load<u32>(state, 4), greatest(most)), 4)
}

/** Stores at `out` |x - b| in float64 of the elements that round to the float32 with the bits `threshold`; returns how many there are. */
export function gatherEqual(out: usize, x: usize, base: usize, threshold: u32, count: i32): i32 {
  const end = x + (<usize>count << 2)
  const wanted = i32x4.splat(threshold)
  let found = 0
  for (; x < end; x += 16, base += 16) {
    const equal = i32x4.eq(magnitude(f32x4.sub(v128.load(x), v128.load(base))), wanted)
    for (let lanes = i32x4.bitmask(equal); lanes; lanes &= lanes - 1) {
      const at = <usize>ctz(lanes) << 2
      store<f64>(out + (<usize>(found++) << 3), abs(<f64>load<f32>(x + at) - <f64>load<f32>(base + at)))
    }
  }
  return found
}

@inline
function countLow(table: usize, magnitudes: v128, lanes: i32): void {
  const bins = i32x4.shl(v128.and(magnitudes, i32x4.splat(0xffff)), 2)
  if (lanes & 1) increment(table + <usize>i32x4.extract_lane(bins, 0))
  if (lanes & 2) increment(table + <usize>i32x4.extract_lane(bins, 1))
  if (lanes & 4) increment(table + <usize>i32x4.extract_lane(bins, 2))
  if (lanes & 8) increment(table + <usize>i32x4.extract_lane(bins, 3))
}

@inline
function increment(address: usize): void {
  store<u32>(address, load<u32>(address) + 1)
}

@inline
export function magnitude(x: v128): v128 {
  return v128.and(x, i32x4.splat(0x7fffffff))
}

/** The largest magnitude as float32 bits: 0x7f800000 or more says that there is an infinity or NaN. */
export function largest(x: usize, count: i32): u32 {
  const end = x + (<usize>count << 2)
  let most = i32x4.splat(0)
  for (; x < end; x += 32) most = i32x4.max_u(most, i32x4.max_u(magnitude(v128.load(x)), magnitude(v128.load(x, 16))))
  return greatest(most)
}

/** The greatest of four u32. */
@inline
export function greatest(lanes: v128): u32 {
  return max(
    max(<u32>i32x4.extract_lane(lanes, 0), <u32>i32x4.extract_lane(lanes, 1)),
    max(<u32>i32x4.extract_lane(lanes, 2), <u32>i32x4.extract_lane(lanes, 3)),
  )
}

/**
 * Adds to `sums`, the address of two f64, the magnitudes of all differences and of those whose bit is set. Differences and sums are
 * float64.
 */
export function sumMagnitudes(sums: usize, x: usize, base: usize, bits: usize, count: i32): void {
  const end = x + (<usize>count << 2)
  let all = f64x2.splat(0)
  let kept = f64x2.splat(0)
  for (let i = 0; x < end; x += 16, base += 16, i += 4) {
    const a = v128.load(x)
    const b = v128.load(base)
    const low = f64x2.abs(f64x2.sub(f64x2.promote_low_f32x4(a), f64x2.promote_low_f32x4(b)))
    const high = f64x2.abs(f64x2.sub(f64x2.promote_low_f32x4(upper(a)), f64x2.promote_low_f32x4(upper(b))))
    const lanes = expand(<u32>load<u8>(bits + (i >> 3)) >> (i & 4))
    all = f64x2.add(all, f64x2.add(low, high))
    kept = f64x2.add(
      kept,
      f64x2.add(
        v128.and(low, v128.shuffle<i32>(lanes, lanes, 0, 0, 1, 1)),
        v128.and(high, v128.shuffle<i32>(lanes, lanes, 2, 2, 3, 3)),
      ),
    )
  }
  addSum(sums, all)
  addSum(sums + 8, kept)
}

/** Adds to `sums`, the address of three f64, Σ a a, Σ b b and Σ a b in float64; says whether any bit of a and b differs. */
export function innerProducts(sums: usize, a: usize, b: usize, count: i32): bool {
  const end = a + (<usize>count << 2)
  let aa = f64x2.splat(0)
  let bb = f64x2.splat(0)
  let ab = f64x2.splat(0)
  let different = i32x4.splat(0)
  for (; a < end; a += 16, b += 16) {
    const p = v128.load(a)
    const q = v128.load(b)
    different = v128.or(different, v128.xor(p, q))
    const p1 = f64x2.promote_low_f32x4(p), p2 = f64x2.promote_low_f32x4(upper(p))
    const q1 = f64x2.promote_low_f32x4(q), q2 = f64x2.promote_low_f32x4(upper(q))
    aa = f64x2.add(aa, f64x2.add(f64x2.mul(p1, p1), f64x2.mul(p2, p2)))
    bb = f64x2.add(bb, f64x2.add(f64x2.mul(q1, q1), f64x2.mul(q2, q2)))
    ab = f64x2.add(ab, f64x2.add(f64x2.mul(p1, q1), f64x2.mul(p2, q2)))
  }
  addSum(sums, aa)
  addSum(sums + 8, bb)
  addSum(sums + 16, ab)
  return v128.any_true(different)
}

/** As {@link innerProducts}, of a − base and b − base, which are not rounded. */
export function taskInnerProducts(sums: usize, base: usize, a: usize, b: usize, count: i32): void {
  const end = a + (<usize>count << 2)
  let aa = f64x2.splat(0)
  let bb = f64x2.splat(0)
  let ab = f64x2.splat(0)
  for (; a < end; a += 16, b += 16, base += 16) {
    const o = v128.load(base)
    const p = v128.load(a)
    const q = v128.load(b)
    const o1 = f64x2.promote_low_f32x4(o), o2 = f64x2.promote_low_f32x4(upper(o))
    const p1 = f64x2.sub(f64x2.promote_low_f32x4(p), o1), p2 = f64x2.sub(f64x2.promote_low_f32x4(upper(p)), o2)
    const q1 = f64x2.sub(f64x2.promote_low_f32x4(q), o1), q2 = f64x2.sub(f64x2.promote_low_f32x4(upper(q)), o2)
    aa = f64x2.add(aa, f64x2.add(f64x2.mul(p1, p1), f64x2.mul(p2, p2)))
    bb = f64x2.add(bb, f64x2.add(f64x2.mul(q1, q1), f64x2.mul(q2, q2)))
    ab = f64x2.add(ab, f64x2.add(f64x2.mul(p1, q1), f64x2.mul(p2, q2)))
  }
  addSum(sums, aa)
  addSum(sums + 8, bb)
  addSum(sums + 16, ab)
}

/** Adds both lanes to the f64 at an address. */
@inline
export function addSum(at: usize, lanes: v128): void {
  store<f64>(at, load<f64>(at) + f64x2.extract_lane(lanes, 0) + f64x2.extract_lane(lanes, 1))
}

/** The upper two float32 lanes, in place of the lower. */
@inline
export function upper(x: v128): v128 {
  return v128.shuffle<i64>(x, x, 1, 1)
}

/** The lower two float32 lanes as float64. */
@inline
export function low(x: v128): v128 {
  return f64x2.promote_low_f32x4(x)
}

/** The upper two. */
@inline
export function high(x: v128): v128 {
  return f64x2.promote_low_f32x4(upper(x))
}

/** All ones in the lanes whose bit of the lowest four is set. */
@inline
export function expand(bits: u32): v128 {
  const lane = i32x4(1, 2, 4, 8)
  return i32x4.eq(v128.and(i32x4.splat(bits), lane), lane)
}
