/** Ranks of labels among logits, four classes at a time. `rankOf` in `../rank-of.ts` is the definition. */

/** In how many of four lanes a comparison holds, from lane `first` on. */
@inline
function lanes(comparison: v128, first: i32): i32 {
  return popcnt(i32x4.bitmask(comparison) >> first)
}

/** The rank where `above` logits are larger and some are equal to the label's or NaN: with the equal ones before it; -1 where one is NaN. */
function rankAmongEqual(logits: usize, size: i32, label: i32, above: i32): i32 {
  const own = load<f32>(logits + (<usize>label << 2))
  let rank = above
  for (let i = 0; i < size; i++) {
    const value = load<f32>(logits + (<usize>i << 2))
    if (value != value) return -1
    if (i < label && value == own) rank++
  }
  return rank
}

/**
 * For each row whether fewer than `k` classes come before its label: 1 or 0, NaN where a logit is NaN.
 * @param logits address of the rows, float32, any alignment; the 16 bytes before it are in the memory
 * @param size classes per row
 * @param labels address of an i32 per row, 0 .. size - 1; the float32 results take their place
 */
export function topHits(logits: usize, rows: i32, size: i32, labels: usize, k: i32): void {
  const bytes = <usize>size << 2
  const whole = <usize>(size & ~3) << 2
  for (let row = 0; row < rows; row++) {
    const label = load<i32>(labels)
    const own = load<f32>(logits + (<usize>label << 2))
    const four = f32x4.splat(own)
    const end = logits + whole
    const last = logits + bytes
    let at = logits
    let above = 0
    let below = 0
    for (; at < end; at += 16) {
      const values = v128.load(at)
      above += lanes(f32x4.gt(values, four), 0)
      below += lanes(f32x4.lt(values, four), 0)
    }
    if (at < last) {
      // The last four values up to here: some of them were counted, or lie before the row.
      const values = v128.load(last - 16)
      const counted = 4 - (size & 3)
      above += lanes(f32x4.gt(values, four), counted)
      below += lanes(f32x4.lt(values, four), counted)
    }
    // What is neither above nor below is the label itself, or there are ties, or there is a NaN.
    const isPlain = above + below == size - 1 && own == own
    const rank = isPlain ? above : rankAmongEqual(logits, size, label, above)
    store<f32>(labels, rank < 0 ? <f32>NaN : <f32>i32(rank < k))
    logits = last
    labels += 4
  }
}
