/** Positions of `values` by magnitude, smallest first; equal magnitudes by position, later ones first, so that the first count as larger. */
export function smallestFirst(values: Float64Array): Uint32Array {
  return values.length < RADIX_FROM ? bySorting(values) : byDigits(values)
}

/** Below this many elements sorting by comparisons is faster than clearing the counters. */
const RADIX_FROM = 4096

function bySorting(values: Float64Array): Uint32Array {
  const magnitudes = values.map(Math.abs)
  return Uint32Array.from(values, (_, i) => i).sort((a, b) => magnitudes[a]! - magnitudes[b]! || b - a)
}

/**
 * Radix sort by the bits of the magnitudes, least digit first: those of non-negative floats are ordered as the floats are. Each pass is
 * stable, so beginning with the positions backwards leaves later ones first among equals.
 */
function byDigits(values: Float64Array): Uint32Array {
  const magnitudes = values.map(Math.abs) // also -0 becomes 0
  const digits = new Uint16Array(magnitudes.buffer) // four of each value, the least first
  const n = values.length
  let from = new Uint32Array(n)
  for (let r = 0; r < n; r++) from[r] = n - 1 - r
  let to = new Uint32Array(n)
  for (let digit = 0; digit < 4; digit++) {
    const starts = new Uint32Array(65_537)
    for (let i = 0, at = digit; i < n; i++, at += 4) starts[digits[at]! + 1]! += 1
    if (starts[digits[digit]! + 1] === n) continue // all the same
    for (let d = 0; d < 65_536; d++) starts[d + 1]! += starts[d]!
    for (let r = 0; r < n; r++) {
      const i = from[r]!
      to[starts[digits[4 * i + digit]!]!++] = i
    }
    ;[from, to] = [to, from]
  }
  return from
}

/**
 * Rank of each magnitude within its row, from 0 for the smallest. Rows run along dimension 1 (the whole vector for fewer than two
 * dimensions): for more than two dimensions, elements that differ in dimension 1 only.
 * @returns ranks, shape as values, and how many elements a row has
 */
export function ranksWithin(values: Float64Array, shape: readonly number[]): { ranks: Uint32Array; count: number } {
  const count = rowLength(values.length, shape)
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

/** Elements of a row, as {@link ranksWithin} has them. */
export function rowLength(elements: number, shape: readonly number[]): number {
  return shape.length < 2 ? elements : shape[1]!
}
