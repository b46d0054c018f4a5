// All positions of a task vector in the order of the magnitudes |x - b| as float32, the smallest first; of equal ones the later first, as in
// `operators/order.ts`. One pass scatters the positions to buckets by the upper 16 bits, backwards so that each bucket has them in
// descending order; then each bucket is sorted by the lower 15 bits, stably. Those wait in the second half of the result, where each bucket's are
// read before its positions are written: positions of a bucket that ends at e end before byte 4 e, lower bits begin at byte 2 n + 2 e.
import { countUpper, magnitude } from './select'
import { sortPairs } from './sort-pairs'

const UPPERS: usize = 65536
const LOWERS: usize = 32768
/** Buckets up to this many are sorted as pairs of lower bits and position, larger ones by counting. */
const PAIRS: u32 = 16384
/** Sums are kept for every so manieth rank. */
const STEP: u32 = 1024

// The sum so far, and how many magnitudes are in it.
let total: f64 = 0
let rank: u32 = 0
let sums: usize = 0
let lows: usize = 0

/**
 * @param out address of `elements` u32, the positions by rank
 * @param partial address of f64: at [k], the sum of the 1024 k smallest magnitudes, for all 1024 k <= elements
 * @param scratch address of `elements` u32, to a multiple of 64 bytes, and 589824 bytes
 */
export function sortPositions(out: usize, partial: usize, x: usize, base: usize, elements: i32, scratch: usize): void {
  const starts = scratch + (((<usize>elements << 2) + 63) & ~63)
  const work = starts + (UPPERS << 2)
  memory.fill(starts, 0, UPPERS << 2)
  countUpper(starts, x, base, elements)
  let before: u32 = 0
  for (let at = starts; at < starts + (UPPERS << 2); at += 4) {
    const own = load<u32>(at)
    store<u32>(at, before)
    before += own
  }
  lows = out + (<usize>elements << 1)
  for (let i = elements - 1; i >= 0; i--) {
    const offset = <usize>i << 2
    const bits = magnitude(x + offset, base + offset)
    const at = starts + (<usize>(bits >>> 15) << 2)
    const place = load<u32>(at)
    store<u32>(at, place + 1)
    store<u32>(scratch + (<usize>place << 2), i)
    store<u16>(lows + (<usize>place << 1), <u16>(bits & 0x7fff))
  }
  // Now each start has become its bucket's end.
  total = 0
  rank = 0
  sums = partial
  store<f64>(sums, 0)
  let begin: u32 = 0
  for (let bucket: u32 = 0; bucket < <u32>UPPERS; bucket++) {
    const end = load<u32>(starts + (<usize>bucket << 2))
    const from = scratch + (<usize>begin << 2), to = out + (<usize>begin << 2), count = end - begin
    if (count > PAIRS) sortByCounting(to, from, count, bucket << 15, x, base, work)
    else if (count > 0) sortAsPairs(to, from, lows + (<usize>begin << 1), count, bucket << 15, work)
    begin = end
  }
}

function sortAsPairs(out: usize, positions: usize, lower: usize, count: u32, upper: u32, work: usize): void {
  const size = <usize>count << 3
  for (let k: usize = 0; k < size; k += 8) {
    store<u64>(work + k, (<u64>load<u16>(lower + (k >> 2)) << 32) | <u64>load<u32>(positions + (k >> 1)))
  }
  const sorted = count > 1 ? sortPairs(work, work + size, <i32>count, work + (<usize>PAIRS << 4)) : work
  for (let k: usize = 0; k < size; k += 8) {
    const pair = load<u64>(sorted + k)
    store<u32>(out + (k >> 1), <u32>pair)
    sumUp(upper | <u32>(pair >> 32), 1)
  }
}

function sortByCounting(out: usize, positions: usize, count: u32, upper: u32, x: usize, base: usize, work: usize): void {
  const end = positions + (<usize>count << 2)
  memory.fill(work, 0, LOWERS << 2)
  for (let at = positions; at < end; at += 4) {
    const counter = work + (<usize>lowerBits(x, base, load<u32>(at)) << 2)
    store<u32>(counter, load<u32>(counter) + 1)
  }
  let before: u32 = 0
  for (let low: u32 = 0; low < <u32>LOWERS; low++) {
    const counter = work + (<usize>low << 2)
    const own = load<u32>(counter)
    store<u32>(counter, before)
    before += own
    if (own > 0) sumUp(upper | low, own)
  }
  for (let at = positions; at < end; at += 4) {
    const position = load<u32>(at)
    const counter = work + (<usize>lowerBits(x, base, position) << 2)
    const place = load<u32>(counter)
    store<u32>(counter, place + 1)
    store<u32>(out + (<usize>place << 2), position)
  }
}

@inline
function lowerBits(x: usize, base: usize, position: u32): u32 {
  const offset = <usize>position << 2
  return magnitude(x + offset, base + offset) & 0x7fff
}

// The next ranks have this magnitude.
@inline
function sumUp(bits: u32, count: u32): void {
  const value = <f64>reinterpret<f32>(bits)
  for (let left = STEP - (rank & (STEP - 1)); count >= left; left = STEP) {
    total += value * <f64>left
    rank += left
    count -= left
    sums += 8
    store<f64>(sums, total)
  }
  total += value * <f64>count
  rank += count
}

/** Sum of the magnitudes of ranks [begin, end), from the positions by rank. */
export function sumRanks(positions: usize, x: usize, base: usize, begin: u32, end: u32): f64 {
  let sum: f64 = 0
  for (let r = begin; r < end; r++) {
    const offset = <usize>load<u32>(positions + (<usize>r << 2)) << 2
    sum += <f64>abs(load<f32>(x + offset) - load<f32>(base + offset))
  }
  return sum
}
