import type { WeightDtype } from '../formats/dtype.ts'
import { BLOCK_FLOATS, MEMORY_BYTES_LIMIT, PAGE_BYTES } from './kernel/load.ts'

/**
 * Where the float32 weights of all sources lie in shared memory.
 *
 * A bank is one WebAssembly memory, at most 4 GiB. It starts with a scratch region for each thread; then come the tensors. A kernel
 * sees one memory, so the same stretch of a tensor lies in the same bank for all sources; a tensor that does not fit into what
 * is left goes on in the next bank.
 *
 *     bank:    [scratch 0][scratch 1]... [x_1 of stretch][x_2]...[x_K] [x_1 of next stretch]...
 *     scratch: [addresses: SOURCES_LIMIT u32][coefficients: SOURCES_LIMIT f32][result tile: TILE_BYTES]
 */

/** Addresses and coefficients of one kernel call lie in tables of this many entries. */
export const SOURCES_LIMIT = 256
/**
 * The result of one kernel call, small enough to stay in a core's level 2 cache (usually 1 MiB or more) until it is copied out. Measured with
 * two sources: below 128 KiB the calls and copies cost a tenth and more, above 512 KiB it falls out of smaller caches.
 */
export const TILE_BYTES = 256 * 1024
export const POINTERS_AT = 0
export const COEFFICIENTS_AT = POINTERS_AT + SOURCES_LIMIT * 4
export const TILE_AT = COEFFICIENTS_AT + SOURCES_LIMIT * 4
export const SCRATCH_BYTES = TILE_AT + TILE_BYTES

/** A float tensor that all sources have. */
export interface WeightTensor {
  readonly name: string
  /** As stored by every source. */
  readonly dtype: WeightDtype
  readonly shape: readonly number[]
  readonly elements: number
}

/** A stretch of a tensor, of all sources, in one bank. Stretches follow each other in row-major order. */
export interface Stretch {
  readonly bank: number
  readonly elements: number
  /** By position of the source: address in the bank, a multiple of the kernels' block. */
  readonly addresses: readonly number[]
}

export interface BankLayout {
  /** By position of the tensor. */
  readonly stretches: readonly (readonly Stretch[])[]
  /** Bytes of each bank. */
  readonly banks: readonly number[]
}

/** Elements rounded up to whole blocks. */
export function padded(elements: number): number {
  return Math.ceil(elements / BLOCK_FLOATS) * BLOCK_FLOATS
}

/** The start of the block that an element lies in. */
export function blockStart(element: number): number {
  return Math.floor(element / BLOCK_FLOATS) * BLOCK_FLOATS
}

/**
 * @param sources how many there are, K
 * @param threads how many scratch regions each bank gets
 * @param bankBytes for tests; every bank has at least room for a block of each source
 */
export function layOutBanks(
  tensors: readonly WeightTensor[],
  sources: number,
  threads: number,
  bankBytes: number = MEMORY_BYTES_LIMIT,
): BankLayout {
  const start = threads * SCRATCH_BYTES
  const limit = Math.min(MEMORY_BYTES_LIMIT, Math.max(bankBytes, start + sources * BLOCK_FLOATS * 4))
  const ends: number[] = []
  const stretches = tensors.map(({ elements }) => {
    const own: Stretch[] = []
    for (let left = elements; left > 0; ) {
      if (ends.length === 0 || roomIn(limit - ends.at(-1)!, sources) === 0) ends.push(start)
      const bank = ends.length - 1
      const begin = ends[bank]!
      const count = Math.min(left, roomIn(limit - begin, sources))
      const bytes = padded(count) * 4
      own.push({ bank, elements: count, addresses: Array.from({ length: sources }, (_, j) => begin + j * bytes) })
      ends[bank] = begin + sources * bytes
      left -= count
    }
    return own
  })
  return { stretches, banks: ends.map(end => Math.ceil(end / PAGE_BYTES) * PAGE_BYTES) }
}

/** Elements of each source that fit into that many bytes, in whole blocks. */
function roomIn(bytes: number, sources: number): number {
  return Math.floor(bytes / (sources * BLOCK_FLOATS * 4)) * BLOCK_FLOATS
}
