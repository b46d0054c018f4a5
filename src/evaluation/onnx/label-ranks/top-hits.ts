import { loadKernel, reserve } from '../kernel.ts'
import type { Facts } from '../tasks/task.ts'
import { rankOf } from './rank-of.ts'

/** The rim around `assembly/index.ts`: logits and labels are copied in, a tile at a time. */

/** Float32 of logits that are in a tile at most, unless one row has more: it stays in the cache nearest to a core. */
const TILE_ELEMENTS = 1 << 12
/** The kernel reads up to 16 bytes before the first row, without looking at what is there. */
const LOGITS_AT = 16

interface Exports {
  readonly topHits: (logits: number, rows: number, size: number, labels: number, k: number) => void
}
/** Made once per thread. */
let shared: ReturnType<typeof loadKernel<Exports>> | undefined

/**
 * Shape (n,): 1 where fewer than `k` classes come before an example's label, from the largest logit down, ties going to the lower class;
 * else 0. NaN where a logit is NaN.
 * @param facts whose first `classes` numbers are an example's logits
 * @param labels of all examples of the split, 0 .. classes - 1
 */
export function topHits(facts: Facts, classes: number, labels: Int32Array, k: number): Float32Array {
  const { examples, width, values } = facts
  const count = examples.length
  const hits = new Float32Array(count)
  if (values instanceof Float64Array) {
    for (let i = 0; i < count; i++) {
      const rank = rankOf(values, i * width, classes, labels[examples[i]!]!)
      hits[i] = Number.isNaN(rank) ? rank : Number(rank < k)
    }
    return hits
  }
  shared ??= loadKernel<Exports>(new URL('./label-ranks.wasm', import.meta.url))
  const { memory, exports } = shared
  const rows = Math.max(1, Math.min(count, Math.floor(TILE_ELEMENTS / classes)))
  const labelsAt = LOGITS_AT + 4 * rows * classes
  reserve(memory, labelsAt + 4 * rows, `${rows} rows of ${classes} logits`)
  const tile = new Float32Array(memory.buffer, LOGITS_AT, rows * classes)
  const tileLabels = new Int32Array(memory.buffer, labelsAt, rows)
  const tileHits = new Float32Array(memory.buffer, labelsAt, rows)
  for (let from = 0; from < count; from += rows) {
    const inTile = Math.min(rows, count - from)
    if (width === classes) tile.set(values.subarray(from * classes, (from + inTile) * classes))
    else
      for (let row = 0; row < inTile; row++) {
        const at = (from + row) * width
        tile.set(values.subarray(at, at + classes), row * classes)
      }
    for (let row = 0; row < inTile; row++) tileLabels[row] = labels[examples[from + row]!]!
    exports.topHits(LOGITS_AT, inTile, classes, labelsAt, k)
    hits.set(inTile === rows ? tileHits : tileHits.subarray(0, inTile), from)
  }
  return hits
}
