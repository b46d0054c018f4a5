import { MergeError, show } from '../../errors.ts'
import { instantiateKernel, isFiniteResult, type Kernel } from '../kernel/load.ts'
import {
  blockStart,
  COEFFICIENTS_AT,
  COUNTERS_AT,
  POINTERS_AT,
  padded,
  SCRATCH_BYTES,
  SOURCES_LIMIT,
  type Stretch,
  TERM_BYTES,
  TERMS_AT,
  TILE_AT,
  TILE_BYTES,
  WORK_AT,
  WORK_BYTES,
} from '../layout.ts'
import type { SharedSources } from '../sources.ts'

/** The part of a bank that one thread works in. Addresses are in the bank. */
export interface Bench {
  readonly kernel: Kernel
  readonly pointersAt: number
  readonly pointers: Uint32Array
  readonly coefficientsAt: number
  readonly coefficients: Float32Array
  readonly termsAt: number
  readonly terms: DataView
  readonly workAt: number
  readonly work: Float32Array
  readonly tileAt: number
  readonly tile: Float32Array
  readonly countersAt: number
}

/** A result in the making. */
export interface Target {
  readonly name: string
  readonly data: Float32Array
}

/**
 * @param threadIndex whose scratch regions
 * @returns by bank
 */
export function createBenches({ banks }: Pick<SharedSources, 'banks'>, threadIndex: number): readonly Bench[] {
  const at = threadIndex * SCRATCH_BYTES
  return banks.map(memory => ({
    kernel: instantiateKernel(memory),
    pointersAt: at + POINTERS_AT,
    pointers: new Uint32Array(memory.buffer, at + POINTERS_AT, SOURCES_LIMIT),
    coefficientsAt: at + COEFFICIENTS_AT,
    coefficients: new Float32Array(memory.buffer, at + COEFFICIENTS_AT, SOURCES_LIMIT),
    termsAt: at + TERMS_AT,
    terms: new DataView(memory.buffer, at + TERMS_AT, SOURCES_LIMIT * TERM_BYTES),
    workAt: at + WORK_AT,
    work: new Float32Array(memory.buffer, at + WORK_AT, WORK_BYTES / 4),
    tileAt: at + TILE_AT,
    tile: new Float32Array(memory.buffer, at + TILE_AT, TILE_BYTES / 4),
    countersAt: at + COUNTERS_AT,
  }))
}

/**
 * Computes elements [from, to) of a stretch tile by tile, and copies each tile while it is in the cache: onnxruntime-node refuses views of
 * shared memory. Kernels work on whole blocks: at the rim more elements are computed than are copied.
 * @param done elements of the tensor before the stretch
 * @param pass computes the tile: `offset` is its byte in the stretch; returns the bits of its largest magnitude
 * @throws {MergeError} on a NaN or an infinity
 */
export function fillStretch(
  { tile }: Bench,
  from: number,
  to: number,
  done: number,
  target: Target,
  pass: (offset: number, bytes: number) => number,
): void {
  const last = padded(to) * 4
  for (let offset = blockStart(from) * 4; offset < last; offset += TILE_BYTES) {
    const bytes = Math.min(TILE_BYTES, last - offset)
    const largest = pass(offset, bytes)
    const origin = offset / 4
    const [first, count] = [Math.max(from - origin, 0), Math.min(to - origin, tile.length)]
    const part = first === 0 && count === tile.length ? tile : tile.subarray(first, count)
    if (!isFiniteResult(largest) && !part.every(Number.isFinite)) throw notFinite(target.name)
    target.data.set(part, done + origin + first)
  }
}

/** The stretches of a tensor with the number of elements before each. */
export function* stretchesOf({ stretches }: { readonly stretches: readonly Stretch[] }) {
  let done = 0
  for (const stretch of stretches) {
    yield { stretch, done }
    done += stretch.elements
  }
}

export function notFinite(name: string): MergeError {
  return new MergeError(`The merge has a NaN or an infinity in tensor ${show(name)}.`, {
    hint: 'The coefficients are too large for float32; bound them.',
  })
}
