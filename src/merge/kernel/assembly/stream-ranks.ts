// Keep probabilities by rank within rows, as DELLA has them: every row is sorted by magnitude, exactly.
import { wordAt } from './stream-masks'

/**
 * Sets the bits of the elements that stay: the element of rank r among the |x - b| of its row stays if its random word is at most
 * `last[r]`. Of equal magnitudes the later has the lower rank. The bits must be zero before.
 * @param last address of `columns` u32
 * @param scratch address of 4 columns u64 and 6144 u32
 */
export function maskByRank(
  bits: usize, x: usize, base: usize, rows: i32, columns: i32, first: u32, key: u32, second: u32, last: usize, scratch: usize,
): void {
  const residuals = scratch
  const pairs = residuals + (<usize>columns << 4)
  const counters = pairs + (<usize>columns << 4)
  for (let row = 0; row < rows; row++) {
    const offset = row * columns
    const sorted = sortRow(x + (<usize>offset << 2), base + (<usize>offset << 2), columns, residuals, pairs, counters)
    for (let r = 0; r < columns; r++) {
      const i = offset + <i32>load<u32>(sorted + (<usize>r << 3))
      if (wordAt(first + i, key, second) > load<u32>(last + (<usize>r << 2))) continue
      const at = bits + (<usize>i >> 3)
      store<u8>(at, <u8>(<i32>load<u8>(at) | (1 << (i & 7))))
    }
  }
}

// Pairs are (key << 32) | position. Magnitudes are ordered by their float32, and where float32 cannot tell differences of float32 numbers
// apart, by what rounding took away; a stable sort by that remainder goes first, where there is any.
function sortRow(x: usize, base: usize, columns: i32, residuals: usize, pairs: usize, counters: usize): usize {
  let anyResidual = false
  for (let i = columns - 1, to = residuals; i >= 0; i--, to += 8) {
    const a = load<f32>(x + (<usize>i << 2))
    const b = load<f32>(base + (<usize>i << 2))
    const rest = <f32>(abs(<f64>a - <f64>b) - <f64>abs(a - b))
    if (rest != 0) anyResidual = true
    const bits = reinterpret<u32>(rest + 0)
    const ordered = bits & 0x80000000 ? ~bits : bits | 0x80000000
    store<u64>(to, (<u64>ordered << 32) | <u64>i)
  }
  const order = anyResidual ? sortPairs(residuals, residuals + (<usize>columns << 3), columns, counters) : residuals
  for (let k: usize = 0; k < <usize>columns << 3; k += 8) {
    const i = <usize>load<u32>(order + k)
    const size = reinterpret<u32>(abs(load<f32>(x + (i << 2)) - load<f32>(base + (i << 2))))
    store<u64>(pairs + k, (<u64>size << 32) | <u64>i)
  }
  return sortPairs(pairs, pairs + (<usize>columns << 3), columns, counters)
}

/** Stable radix sort by the upper words: digits of 11 bits, or of 8 for short rows, whose counters would cost more than they save. */
export function sortPairs(from: usize, to: usize, count: i32, counters: usize): usize {
  const width: u32 = count < 1024 ? 8 : 11
  const passes: i32 = count < 1024 ? 4 : 3
  const size = <usize>4 << width
  const mask = <u32>((1 << width) - 1)
  const end = <usize>count << 3
  memory.fill(counters, 0, <usize>passes * size)
  for (let k: usize = 0; k < end; k += 8) {
    let word = load<u32>(from + k, 4)
    for (let at = counters; at < counters + <usize>passes * size; at += size) {
      const slot = at + (<usize>(word & mask) << 2)
      store<u32>(slot, load<u32>(slot) + 1)
      word >>= width
    }
  }
  for (let pass = 0; pass < passes; pass++, counters += size) {
    const shift = <u32>pass * width
    if (load<u32>(counters + (<usize>((load<u32>(from, 4) >> shift) & mask) << 2)) == <u32>count) continue // all alike
    let total: u32 = 0
    for (let at = counters; at < counters + size; at += 4) {
      const own = load<u32>(at)
      store<u32>(at, total)
      total += own
    }
    for (let k: usize = 0; k < end; k += 8) {
      const pair = load<u64>(from + k)
      const slot = counters + (<usize>((<u32>(pair >> 32) >> shift) & mask) << 2)
      const place = load<u32>(slot)
      store<u32>(slot, place + 1)
      store<u64>(to + (<usize>place << 3), pair)
    }
    const other = from
    from = to
    to = other
  }
  return from
}
