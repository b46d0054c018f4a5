// Pairs are (key << 32) | payload.

/** Stable radix sort by the keys: digits of 11 bits, or of 8 for short rows, whose counters would cost more than they save. */
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
