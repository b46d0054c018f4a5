// Keep probabilities by rank within rows, as DELLA has them, with no more sorting than they need: a word below the probability of the
// lowest rank stays whatever its rank is, one above that of the highest never does. The few between are told by a count of magnitudes in
// buckets, which bounds all ranks; for those that these bounds leave open, the rank itself is found.
import { exactMagnitude } from './rank-bucket'
import { bucketOf, buckets, COUNTERS, countBuckets, cursors, keys, layOutRows, list, lowest, orderMarked, shift, starts, work } from './row-buckets'
import { packed, word, wordAt } from './stream-masks'

/** For more open ranks, those of equal magnitudes are told by their order. So many that are left are counted one by one; for more, buckets are sorted. */
const EQUAL: i32 = 6
const COUNTED: i32 = 64
/** Of the ranks in an entry; columns are at most 2^20. */
const RANK_BITS: u32 = 21

/**
 * Sets the bits of the elements that stay: the element of rank r among the |x - b| of its row stays if its random word is at most
 * `last[r]`. Of equal magnitudes the later has the lower rank. The bits must be zero before; up to 3 bytes behind them are read and written.
 * @param last address of `columns` u32, none less than the one before
 * @param columns at most 2^20
 * @param scratch address of 28 columns + 221376 bytes
 */
export function maskByRank(
  bits: usize, x: usize, base: usize, rows: i32, columns: i32, first: u32, key: u32, second: u32, last: usize, scratch: usize,
): void {
  layOutRows(columns, scratch)
  for (let row = 0; row < rows; row++) {
    const offset = row * columns
    const own = x + (<usize>offset << 2), from = base + (<usize>offset << 2)
    countBuckets(own, from, columns)
    let open = maskRow(bits, offset, columns, first + <u32>offset, key, second, last, scratch)
    if (open > EQUAL) open = decideEqual(bits, own, from, offset, columns, last, open)
    if (open > COUNTED) decideByBuckets(bits, own, from, offset, columns, first + <u32>offset, key, second, last, open)
    else if (open > 0) decideByCounting(bits, own, from, offset, columns, last, open)
  }
}

// Decides by words, and by what is known of the ranks in each bucket. Lists those that are left, and says how many.
function maskRow(
  bits: usize, offset: i32, columns: i32, first: u32, key: u32, second: u32, last: usize, words: usize,
): i32 {
  const k = i32x4.splat(key), s = i32x4.splat(second), four = i32x4.splat(4)
  const always = i32x4.splat(load<u32>(last)), sometimes = i32x4.splat(load<u32>(last + (<usize>(columns - 1) << 2)))
  const whole = (offset & 7) == 0, by = shift, low = lowest, counts = starts, sizes = keys
  let position = i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3))
  let open = list
  for (let i = 0; i < columns; i += 16) {
    const a = word(position, k, s)
    position = i32x4.add(position, four)
    const b = word(position, k, s)
    position = i32x4.add(position, four)
    const c = word(position, k, s)
    position = i32x4.add(position, four)
    const d = word(position, k, s)
    position = i32x4.add(position, four)
    v128.store(words, a)
    v128.store(words, b, 16)
    v128.store(words, c, 32)
    v128.store(words, d, 48)
    let kept = packed(i32x4.le_u(a, always), i32x4.le_u(b, always), i32x4.le_u(c, always), i32x4.le_u(d, always))
    let between = kept ^ packed(i32x4.le_u(a, sometimes), i32x4.le_u(b, sometimes), i32x4.le_u(c, sometimes), i32x4.le_u(d, sometimes))
    if (columns - i < 16) {
      const own = (1 << (columns - i)) - 1
      kept &= own
      between &= own
    }
    for (; between; between &= between - 1) {
      const lane = ctz(between)
      const own = load<u32>(words + (<usize>lane << 2))
      const start = counts + bucketOf(load<u32>(sizes + (<usize>(i + lane) << 2)), by, low)
      const least = own <= load<u32>(last + (<usize>load<u32>(start) << 2))
      const most = own <= load<u32>(last + (<usize>load<u32>(start, 4) << 2) - 4)
      kept |= <i32>least << lane
      store<u32>(open, i + lane)
      store<u32>(open, own, 4)
      open += <usize>(<i32>most & ~<i32>least) << 3
    }
    const at = bits + (<usize>(offset + i) >> 3)
    if (whole) store<u16>(at, <u16>kept)
    else store<u32>(at, load<u32>(at) | (<u32>kept << ((offset + i) & 7)))
  }
  return <i32>((open - list) >> 3)
}

@inline
function setBit(bits: usize, i: i32): void {
  const at = bits + (<usize>i >> 3)
  store<u8>(at, <u8>(<i32>load<u8>(at) | (1 << (i & 7))))
}

// Where all magnitudes of a bucket are the same, the later an element comes the lower is its rank. As many are where models differ by few units
// in the last place. An entry of a bucket has the next rank, then the bits below `shift` that are set in any of its magnitudes, and those
// that are not set in any.
function decideEqual(bits: usize, x: usize, base: usize, offset: i32, columns: i32, last: usize, open: i32): i32 {
  const by = shift, low = lowest, sizes = keys, entries = cursors, ranks = work + COUNTERS
  for (let at: usize = 0; at < <usize>buckets << 2; at += 4) store<u64>(entries + (at << 1), load<u32>(starts + at))
  store<u64>(entries, load<u64>(entries, 8) | ~((1 << RANK_BITS) - 1), 8) // bucket 1 has more than one exponent
  spoilRounded(x, base, columns)
  const below = (1 << by) - 1
  for (let i = columns - 1; i >= 0; i--) {
    const size = load<u32>(sizes + (<usize>i << 2))
    const at = entries + (bucketOf(size, by, low) << 1)
    const entry = load<u64>(at)
    store<u32>(ranks + (<usize>i << 2), <u32>entry & ((1 << RANK_BITS) - 1))
    const own = size & below
    store<u64>(at, (entry + 1) | (<u64>own << RANK_BITS) | (<u64>(own ^ below) << (2 * RANK_BITS)))
  }
  let left = list
  for (let from = list; from < list + (<usize>open << 3); from += 8) {
    const i = load<u32>(from), own = load<u32>(from, 4)
    const entry = load<u64>(entries + (bucketOf(load<u32>(sizes + (<usize>i << 2)), by, low) << 1)) >>> RANK_BITS
    if (entry & (entry >>> RANK_BITS) & ((1 << RANK_BITS) - 1)) {
      store<u64>(left, load<u64>(from))
      left += 8
    } else if (own <= load<u32>(last + (<usize>load<u32>(ranks + (<usize>i << 2)) << 2))) setBit(bits, offset + <i32>i)
  }
  return <i32>((left - list) >> 3)
}

// Buckets with a difference that float32 rounded are taken to have different magnitudes.
function spoilRounded(x: usize, base: usize, columns: i32): void {
  for (let i = 0; i < columns; i += 4) {
    const a = v128.load(x + (<usize>i << 2)), b = v128.load(base + (<usize>i << 2))
    // D. E. Knuth's two-sum: what rounding took away, of a - b.
    const d = f32x4.sub(a, b), c = f32x4.sub(d, a)
    const rest = f32x4.sub(f32x4.sub(a, f32x4.sub(d, c)), f32x4.add(b, c))
    for (let lanes = i32x4.bitmask(f32x4.ne(rest, f32x4.splat(0))); lanes; lanes &= lanes - 1) {
      const lane = i + ctz(lanes)
      if (lane >= columns) continue
      const at = cursors + (bucketOf(load<u32>(keys + (<usize>lane << 2)), shift, lowest) << 1)
      store<u64>(at, load<u64>(at) | ~((1 << RANK_BITS) - 1))
    }
  }
}

function decideByCounting(bits: usize, x: usize, base: usize, offset: i32, columns: i32, last: usize, open: i32): void {
  const end = keys + (((<usize>columns << 2) + 15) & ~15)
  for (let entry = list; entry < list + (<usize>open << 3); entry += 8) {
    const i = load<u32>(entry), own = load<u32>(entry, 4)
    const key = load<u32>(keys + (<usize>i << 2))
    const wanted = i32x4.splat(key)
    let less = i32x4.splat(0), equal = less
    for (let at = keys; at < end; at += 16) {
      const others = v128.load(at)
      less = i32x4.sub(less, i32x4.lt_s(others, wanted))
      equal = i32x4.sub(equal, i32x4.eq(others, wanted))
    }
    const rank = last + (<usize>total(less) << 2)
    if (own <= load<u32>(rank)) setBit(bits, offset + <i32>i)
    else if (own > load<u32>(rank + (<usize>total(equal) << 2) - 4)) continue
    else if (own <= load<u32>(rank + (<usize>equalBelow(x, base, i, wanted, end) << 2))) setBit(bits, offset + <i32>i)
  }
}

@inline
function total(lanes: v128): u32 {
  return i32x4.extract_lane(lanes, 0) + i32x4.extract_lane(lanes, 1) + i32x4.extract_lane(lanes, 2) + i32x4.extract_lane(lanes, 3)
}

// How many elements of the same float32 magnitude as the i-th are below it.
function equalBelow(x: usize, base: usize, i: u32, wanted: v128, end: usize): u32 {
  const size = exactMagnitude(x, base, i)
  let below: u32 = 0
  for (let at = keys; at < end; at += 16) {
    const equal = i32x4.eq(v128.load(at), wanted)
    if (!v128.any_true(equal)) continue
    for (let lanes = i32x4.bitmask(equal); lanes; lanes &= lanes - 1) {
      const j = <u32>((at - keys) >> 2) + ctz(lanes)
      const other = exactMagnitude(x, base, j)
      below += <u32>(other < size || (other == size && j > i))
    }
  }
  return below
}

function decideByBuckets(
  bits: usize, x: usize, base: usize, offset: i32, columns: i32, first: u32, key: u32, second: u32, last: usize, open: i32,
): void {
  const by = shift, low = lowest, sizes = keys
  memory.fill(cursors, 0xff, <usize>buckets << 2)
  for (let entry = list; entry < list + (<usize>open << 3); entry += 8) {
    const place = bucketOf(load<u32>(sizes + (<usize>load<u32>(entry) << 2)), by, low)
    store<u32>(cursors + place, load<u32>(starts + place))
  }
  orderMarked(x, base, columns)
  for (let bucket: usize = 0; bucket < <usize>buckets << 2; bucket += 4) {
    const begin = load<u32>(starts + bucket), end = load<u32>(cursors + bucket) // all ones where nothing was open
    if (end == 0xffffffff) continue
    for (let r = begin; r < end; r++) {
      const i = load<u32>(list + (<usize>r << 2))
      if (wordAt(first + i, key, second) <= load<u32>(last + (<usize>r << 2))) setBit(bits, offset + <i32>i)
    }
  }
}
