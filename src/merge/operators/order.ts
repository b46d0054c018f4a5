/** Positions of `values` by magnitude, smallest first; equal magnitudes by position, later ones first, so that the first count as larger. */
export function smallestFirst(values: Float64Array): Uint32Array {
  const magnitudes = values.map(Math.abs)
  return Uint32Array.from(values, (_, i) => i).sort((a, b) => magnitudes[a]! - magnitudes[b]! || b - a)
}

/**
 * Rank of each magnitude within its row, from 0 for the smallest. Rows run along dimension 1 (the whole vector for fewer than two
 * dimensions): for more than two dimensions, elements that differ in dimension 1 only.
 * @returns ranks, shape as values, and how many elements a row has
 */
export function ranksWithin(values: Float64Array, shape: readonly number[]): { ranks: Uint32Array; count: number } {
  const count = shape.length < 2 ? values.length : shape[1]!
  const stride = shape.slice(2).reduce((product, size) => product * size, 1)
  const ranks = new Uint32Array(values.length)
  const row = new Float64Array(count)
  for (let start = 0; start < values.length; start += count * stride) {
    for (let offset = start; offset < start + stride; offset++) {
      for (let k = 0; k < count; k++) row[k] = values[offset + k * stride]!
      smallestFirst(row).forEach((k, rank) => {
        ranks[offset + k * stride] = rank
      })
    }
  }
  return { ranks, count }
}
