import type { WeightDtype } from '../formats/dtype.ts'
import { BLOCK_FLOATS, MEMORY_BYTES_LIMIT, PAGE_BYTES } from './kernel/load.ts'

/**
 * Where the float32 weights of all sources lie in shared memory.
 *
 * A bank is one WebAssembly memory, at most 4 GiB. It starts with a scratch region for each thread; then come the tensors, then an
 * arena for what operators prepare of them, as large as the tensors: memory that nobody touches costs nothing. A kernel
 * sees one memory, so the same stretch of a tensor lies in the same bank for all sources; a tensor that does not fit into what
 * is left goes on in the next bank.
 *
 *     bank:    [scratch 0][scratch 1]... [x_1 of stretch][x_2]...[x_K] [x_1 of next stretch]... [arena]
 *     scratch: [addresses: SOURCES_LIMIT u32][coefficients: SOURCES_LIMIT f32][terms: SOURCES_LIMIT TERM_BYTES][work: WORK_BYTES]
 *              [result tile: TILE_BYTES][counters: COUNTERS_BYTES]
 */

/** Addresses and coefficients of one kernel call lie in tables of this many entries. */
export const SOURCES_LIMIT = 256
/**
 * The result of one kernel call, small enough to stay in a core's level 2 cache beside what streams through it until it is copied out.
 * Measured where that cache has 512 KiB, kernel alone, task arithmetic with two sources: 15.4 ms, with 256 KiB 19.1.
 */
export const TILE_BYTES = 64 * 1024
export const POINTERS_AT = 0
export const COEFFICIENTS_AT = POINTERS_AT + SOURCES_LIMIT * 4
/** What a pass knows of one model, see `assembly/thin.ts`. */
export const TERM_BYTES = 96
export const TERMS_AT = COEFFICIENTS_AT + SOURCES_LIMIT * 4
/** Room for a block of each thinned task vector of a pass, small enough for the level 1 cache with few models. */
export const WORK_BYTES = 128 * 1024
export const WORK_AT = TERMS_AT + SOURCES_LIMIT * TERM_BYTES
export const TILE_AT = WORK_AT + WORK_BYTES
/** Room for counters of the upper 16 of a magnitude's 31 bits. */
export const COUNTERS_BYTES = 65_536 * 4
export const COUNTERS_AT = TILE_AT + TILE_BYTES
export const SCRATCH_BYTES = COUNTERS_AT + COUNTERS_BYTES

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
  /** The arena of each bank: its address, a multiple of {@link PAGE_BYTES}, and its bytes. */
  readonly arenas: readonly Arena[]
}

export interface Arena {
  readonly at: number
  readonly bytes: number
}

/** For small tables beside those that are as large as the tensors. */
const ARENA_SPARE = 4 << 20

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
 * @param bankBytes most bytes of a bank without its arena, for tests; every bank has at least room for a block of each source
 */
export function layOutBanks(
  tensors: readonly WeightTensor[],
  sources: number,
  threads: number,
  bankBytes: number = MEMORY_BYTES_LIMIT,
): BankLayout {
  const start = threads * SCRATCH_BYTES
  const most = start + (MEMORY_BYTES_LIMIT - start - ARENA_SPARE - 2 * PAGE_BYTES) / 2
  const limit = Math.min(most, Math.max(bankBytes, start + sources * BLOCK_FLOATS * 4))
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
  const arenas = ends.map((end): Arena => ({ at: wholePages(end), bytes: wholePages(end - start + ARENA_SPARE) }))
  return { stretches, banks: arenas.map(({ at, bytes }) => at + bytes), arenas }
}

function wholePages(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES
}

/** Elements of each source that fit into that many bytes, in whole blocks. */
function roomIn(bytes: number, sources: number): number {
  return Math.floor(bytes / (sources * BLOCK_FLOATS * 4)) * BLOCK_FLOATS
}
