// Ranks of magnitudes |x - b| within rows, as `operators/order.ts` has them: of differences in float64, of equal ones the later is lower.
import { buckets, countBuckets, cursors, layOutRows, list, orderMarked, starts } from './row-buckets'

/**
 * @param out address of a u16 for each element
 * @param columns at most 65536
 * @param scratch address of 28 columns + 221376 bytes
 */
export function rankRows(out: usize, x: usize, base: usize, rows: i32, columns: i32, scratch: usize): void {
  layOutRows(columns, scratch)
  for (let row = 0; row < rows; row++, out += <usize>columns << 1) {
    const offset = <usize>(row * columns) << 2
    countBuckets(x + offset, base + offset, columns)
    memory.copy(cursors, starts, <usize>buckets << 2)
    orderMarked(x + offset, base + offset, columns)
    for (let r: usize = 0; r < <usize>columns; r++) store<u16>(out + (<usize>load<u32>(list + (r << 2)) << 1), <u16>r)
  }
}
