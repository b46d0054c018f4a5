// The elements of one bucket of magnitudes by rank. They are ordered by their float32, and where float32 cannot tell differences of float32
// numbers apart, by what these are in float64.
import { sortPairs } from './sort-pairs'

/** Up to this many are inserted one after the other. */
const INSERTED: i32 = 24

/**
 * @param positions address of `count` u32 in descending order, which becomes that of the magnitudes: the smallest first, of equal ones the later
 * @param keys address of the magnitudes' bits by position
 * @param work address of 16 count + 24576 bytes
 */
export function sortBucket(positions: usize, count: i32, keys: usize, x: usize, base: usize, work: usize): void {
  const end = positions + (<usize>count << 2)
  const first = keyAt(keys, load<u32>(positions))
  let alike = true, rounded = false
  for (let at = positions; at < end; at += 4) {
    const i = load<u32>(at)
    if (keyAt(keys, i) != first) alike = false
    if (rest(x, base, i) != 0) rounded = true
  }
  if (alike && !rounded) return
  if (count <= INSERTED) {
    insert(positions, end, keys, x, base)
    return
  }
  const counters = work, pairs = work + 24576
  const other = pairs + (<usize>count << 3)
  let sorted = pairs
  if (rounded) {
    for (let k: usize = 0; k < <usize>count; k++) {
      const i = load<u32>(positions + (k << 2))
      store<u64>(pairs + (k << 3), (<u64>ordered(rest(x, base, i)) << 32) | <u64>i)
    }
    sorted = sortPairs(pairs, other, count, counters)
    for (let k: usize = 0; k < <usize>count; k++) {
      const i = load<u32>(sorted + (k << 3))
      store<u32>(sorted + (k << 3), keyAt(keys, i), 4)
    }
  } else {
    for (let k: usize = 0; k < <usize>count; k++) {
      const i = load<u32>(positions + (k << 2))
      store<u64>(pairs + (k << 3), (<u64>keyAt(keys, i) << 32) | <u64>i)
    }
  }
  sorted = sortPairs(sorted, sorted == pairs ? other : pairs, count, counters)
  for (let k: usize = 0; k < <usize>count; k++) store<u32>(positions + (k << 2), load<u32>(sorted + (k << 3)))
  if (rounded) insert(positions, end, keys, x, base) // where 24 bits of the rests are alike
}

@inline
function keyAt(keys: usize, i: u32): u32 {
  return load<u32>(keys + (<usize>i << 2))
}

/** The magnitude of the i-th difference. */
@inline
export function exactMagnitude(x: usize, base: usize, i: u32): f64 {
  const at = <usize>i << 2
  return abs(<f64>load<f32>(x + at) - <f64>load<f32>(base + at))
}

// What rounding to float32 took away from it, to 24 bits.
@inline
function rest(x: usize, base: usize, i: u32): f32 {
  const at = <usize>i << 2
  return <f32>(exactMagnitude(x, base, i) - <f64>abs(load<f32>(x + at) - load<f32>(base + at)))
}

/** Bits that are ordered as the numbers are. */
@inline
function ordered(value: f32): u32 {
  const bits = reinterpret<u32>(value + 0)
  return bits & 0x80000000 ? ~bits : bits | 0x80000000
}

/** Stable; as fast as the elements are near their places. */
function insert(positions: usize, end: usize, keys: usize, x: usize, base: usize): void {
  for (let at = positions + 4; at < end; at += 4) {
    const own = load<u32>(at)
    const key = keyAt(keys, own), size = exactMagnitude(x, base, own)
    let to = at
    for (; to > positions; to -= 4) {
      const before = load<u32>(to - 4)
      const other = keyAt(keys, before)
      if (other < key || (other == key && exactMagnitude(x, base, before) <= size)) break
      store<u32>(to, before)
    }
    store<u32>(to, own)
  }
}
