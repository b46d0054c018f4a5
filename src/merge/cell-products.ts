import { decodeToFloat32, dtypeBytes, isWeightDtype } from '../formats/dtype.ts'
import type { PieceLine } from '../space/piece-line.ts'
import type { SourceReference } from './model.ts'
import { openSources } from './sources.ts'

/** Elements of one source in memory at a time. */
const CHUNK = 1 << 18

/**
 * Inner products of models in each cell of the line of their weights: once for a search, whose angles between merges follow from them.
 * @param ends ends of the cells on the line, ascending; every tensor ends one
 * @returns (i, j) with i <= j, row by row, summed in float64; shape (ends.length, S (S + 1) / 2)
 * @throws {ConfigError | FormatError | MergeError} when a source cannot be read or does not fit the others
 */
export function cellProducts(
  references: readonly SourceReference[],
  line: PieceLine,
  ends: readonly number[],
): Float32Array {
  const S = references.length
  const packed = (S * (S + 1)) / 2
  const products = new Float32Array(ends.length * packed)
  const { sources, close } = openSources(references)
  try {
    const chunks = sources.map(() => new Float32Array(CHUNK))
    const sums = new Float64Array(packed)
    let cell = 0
    for (const { name, elements, start } of line.tensors) {
      for (let at = 0; at < elements; at += CHUNK) {
        const length = Math.min(CHUNK, elements - at)
        for (const [s, { checkpoint }] of sources.entries()) {
          const { dtype } = checkpoint.tensors.get(name)!
          if (!isWeightDtype(dtype)) continue
          const bytes = new Uint8Array(length * dtypeBytes(dtype))
          checkpoint.readRange(name, at * dtypeBytes(dtype), bytes)
          decodeToFloat32(bytes, dtype, chunks[s]!.subarray(0, length))
        }
        for (let from = 0; from < length; ) {
          const to = Math.min(length, ends[cell]! - start - at)
          addProducts(sums, chunks, from, to)
          if (start + at + to === ends[cell]) {
            products.set(sums, cell * packed)
            sums.fill(0)
            cell++
          }
          from = to
        }
      }
    }
    return products
  } finally {
    close()
  }
}

function addProducts(sums: Float64Array, chunks: readonly Float32Array[], from: number, to: number): void {
  let p = 0
  for (const [i, x] of chunks.entries()) {
    for (const y of chunks.slice(i)) {
      let sum = 0
      for (let e = from; e < to; e++) sum += x[e]! * y[e]!
      sums[p++]! += sum
    }
  }
}
