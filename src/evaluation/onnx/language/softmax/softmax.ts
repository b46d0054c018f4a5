import { loadKernel, PAGE_BYTES, reserve } from '../../kernel.ts'

/** The rim around `assembly/index.ts`: rows of logits are copied in, a tile at a time. */

/** What softmax needs of one row of logits z, in float64. NaN among the logits makes both sums NaN. */
export interface SoftmaxSums {
  /** The largest logit. */
  max: number
  /** The first position that has it; 0 where there is none, since all are NaN. */
  best: number
  /** Σ e^(z - max). */
  sum: number
  /** Σ (z - max) e^(z - max); where z - max is below -708, -708 stands for it. */
  weighted: number
}

/** Float32 that are in a tile at most, unless one row has more: half of what a core keeps near. */
const TILE_ELEMENTS = 1 << 16
const OUT_FIELDS = 4
/** Below it are the kernel's constants. */
const TILE_AT = PAGE_BYTES

interface Exports {
  readonly softmaxSums: (logits: number, rows: number, size: number, out: number) => void
}
/** Made once per thread. */
let shared: ReturnType<typeof loadKernel<Exports>> | undefined

/**
 * Goes through `count` rows of `size` logits each, row-major, from row `first` on.
 * @param take gets the number of the row, counted from `first`, and its sums, in an object that is used again for the next row
 */
export function eachSoftmax(
  logits: Float32Array,
  first: number,
  count: number,
  size: number,
  take: (row: number, sums: Readonly<SoftmaxSums>) => void,
): void {
  if (count === 0) return
  shared ??= loadKernel<Exports>(new URL('./softmax.wasm', import.meta.url))
  const stride = Math.ceil(size / 4) * 4
  const rows = Math.min(count, Math.max(1, Math.floor(TILE_ELEMENTS / stride)))
  const outAt = TILE_AT + 4 * stride * rows
  const { memory, exports } = shared
  reserve(memory, outAt + 8 * OUT_FIELDS * rows, `${rows} rows of ${size} logits`)
  const tile = new Float32Array(memory.buffer, TILE_AT, stride * rows)
  const out = new Float64Array(memory.buffer, outAt, OUT_FIELDS * rows)
  if (stride !== size) tile.fill(Number.NEGATIVE_INFINITY)
  const sums: SoftmaxSums = { max: 0, best: 0, sum: 0, weighted: 0 }
  for (let from = 0; from < count; from += rows) {
    const inTile = Math.min(rows, count - from)
    const at = (first + from) * size
    if (stride === size) tile.set(logits.subarray(at, at + inTile * size))
    else
      for (let row = 0; row < inTile; row++)
        tile.set(logits.subarray(at + row * size, at + (row + 1) * size), row * stride)
    exports.softmaxSums(TILE_AT, inTile, stride, outAt)
    for (let row = 0; row < inTile; row++) {
      sums.max = out[OUT_FIELDS * row]! + 0 // of 0 and -0, either may have been found
      const best = out[OUT_FIELDS * row + 1]!
      sums.best = best < size ? best : 0 // what fills the row up is as large where all is -Infinity or NaN
      sums.sum = out[OUT_FIELDS * row + 2]!
      sums.weighted = out[OUT_FIELDS * row + 3]!
      take(from + row, sums)
    }
  }
}
