// The magnitudes |x - b| of one row, counted in buckets that are ordered as they are.
import { sortBucket } from './rank-bucket'
import { magnitude } from './stream-reduce'

/** So many binades, 2^4, below the largest magnitude of a row have buckets of their own; all smaller ones but 0 share one. */
const LOG_BINADES: u32 = 4
/** Buckets by length of the rows: at least, and at most. */
const LOG_LEAST: u32 = 6
const LOG_MOST: u32 = 14
export const COUNTERS: usize = 24576
const UNMARKED: u32 = 0xffffffff

// Where things lie in the scratch memory, and how magnitudes become buckets: of the row that is worked on.
export let keys: usize = 0
export let starts: usize = 0
export let cursors: usize = 0
export let list: usize = 0 // of open elements, with their words; then of positions by bucket
export let work: usize = 0
export let shift: u32 = 0
export let lowest: i32 = 0
export let buckets: i32 = 0

/**
 * @param columns at most 2^20
 * @param scratch address of 28 columns + 221376 bytes; the first 64 are left alone
 */
export function layOutRows(columns: i32, scratch: usize): void {
  const log = min(max(LOG_LEAST, 31 - <u32>clz(columns | 1)), LOG_MOST)
  buckets = 1 << log
  shift = 23 + LOG_BINADES - log
  starts = scratch + 64
  cursors = starts + (4 << LOG_MOST) + 64
  work = cursors + (8 << LOG_MOST)
  list = work + COUNTERS + (<usize>columns << 4)
  keys = list + (<usize>columns << 3)
}

/** Bytes from the first bucket to that of a magnitude. */
@inline
export function bucketOf(bits: u32, by: u32, low: i32): usize {
  return <usize>(max(<i32>(bits >> by) - low, 0) + <i32>(bits != 0)) << 2
}

/** Leaves the magnitudes' bits in `keys`, and in `starts` how many magnitudes are in the buckets before each. */
export function countBuckets(x: usize, base: usize, columns: i32): void {
  const end = <usize>columns << 2
  let most = i32x4.splat(0)
  for (let k: usize = 0; k < end; k += 16) {
    const bits = magnitude(f32x4.sub(v128.load(x + k), v128.load(base + k)))
    v128.store(keys + k, bits)
    most = i32x4.max_s(most, bits)
  }
  // Whatever is behind the row: it counts as larger than all in it.
  for (let k = end; k < ((end + 15) & ~15); k += 4) store<u32>(keys + k, 0x7fffffff)
  const largest = max(
    max(i32x4.extract_lane(most, 0), i32x4.extract_lane(most, 1)), max(i32x4.extract_lane(most, 2), i32x4.extract_lane(most, 3)),
  )
  const by = shift, top = max((largest >> by) - (buckets - 2), 0)
  lowest = top
  memory.fill(starts, 0, (<usize>buckets << 2) + 4)
  const low = i32x4.splat(top), zero = i32x4.splat(0), from = keys, to = starts
  const whole = end & ~15
  for (let k: usize = 0; k < whole; k += 16) {
    const bits = v128.load(from + k)
    const bucket = i32x4.sub(i32x4.max_s(i32x4.sub(i32x4.shr_u(bits, by), low), zero), i32x4.ne(bits, zero))
    const at = i32x4.shl(bucket, 2)
    increment(to + <usize>i32x4.extract_lane(at, 0))
    increment(to + <usize>i32x4.extract_lane(at, 1))
    increment(to + <usize>i32x4.extract_lane(at, 2))
    increment(to + <usize>i32x4.extract_lane(at, 3))
  }
  for (let k = whole; k < end; k += 4) increment(to + bucketOf(load<u32>(from + k), by, top))
  let before: u32 = 0
  for (let at = to, behind = to + (<usize>buckets << 2); at <= behind; at += 4) {
    const own = load<u32>(at)
    store<u32>(at, before)
    before += own
  }
}

@inline
function increment(at: usize): void {
  store<u32>(at, load<u32>(at) + 1)
}

/** Puts the positions of elements into `list` by rank: those in buckets whose cursor is not all ones, but their start. */
export function orderMarked(x: usize, base: usize, columns: i32): void {
  const by = shift, low = lowest, sizes = keys, order = list, places = cursors
  // Backwards: of equal magnitudes the later comes first.
  for (let i = columns - 1; i >= 0; i--) {
    const cursor = places + bucketOf(load<u32>(sizes + (<usize>i << 2)), by, low)
    const place = load<u32>(cursor)
    if (place == UNMARKED) continue
    store<u32>(cursor, place + 1)
    store<u32>(order + (<usize>place << 2), i)
  }
  for (let bucket: usize = 0; bucket < <usize>buckets << 2; bucket += 4) {
    if (load<u32>(places + bucket) == UNMARKED) continue
    const begin = load<u32>(starts + bucket), end = load<u32>(starts + bucket, 4)
    if (end - begin > 1) sortBucket(order + (<usize>begin << 2), <i32>(end - begin), sizes, x, base, work)
  }
}
