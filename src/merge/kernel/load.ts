import { readFileSync } from 'node:fs'
import { AmalgamError, MergeError } from '../../errors.ts'

/** The rim around WebAssembly: shared memory, and the kernels of `assembly/index.ts` bound to it. */

/** A `WebAssembly.Memory` that threads share: it can be posted to a worker, its typed views too. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer
}

/** Addresses are bytes from the start of the memory, multiples of 16; `bytes` is a multiple of {@link BLOCK_BYTES}. */
export interface Kernel {
  /**
   * out = Σ c_j x_j. `pointers` is the address of `count` u32, those of the x_j; `coefficients` of `count` f32.
   * `offset` is added to the addresses of the x_j, not to `out`.
   * @returns the largest magnitude in the result as the bits of a float32, see {@link isFiniteResult}
   */
  linear(out: number, pointers: number, coefficients: number, count: number, offset: number, bytes: number): number
  /** out = b + Σ c_j (x_j − b); `offset` is added to `base` too. */
  taskArithmetic(
    out: number,
    base: number,
    pointers: number,
    coefficients: number,
    count: number,
    offset: number,
    bytes: number,
  ): number
  /**
   * As `linear` (`base` 0) or `taskArithmetic`, with `stride` coefficients per model, those of x_1 first: one per line of `length`
   * elements. `first`: position in its line of the first element, whose coefficients come first.
   */
  linearByRow(
    out: number,
    base: number,
    pointers: number,
    coefficients: number,
    count: number,
    stride: number,
    first: number,
    length: number,
    offset: number,
    elements: number,
  ): number
  /** The same with one coefficient per element of a line, those of the line's first element first. */
  linearByColumn: Kernel['linearByRow']
  /** Task vectors thinned out and mixed: `assembly/pass.ts` says what the arguments are. */
  taskVectorPass(
    out: number,
    base: number,
    terms: number,
    weights: number,
    count: number,
    mixing: number,
    scale: number,
    bound: number,
    work: number,
    block: number,
    index: number,
    offset: number,
    bytes: number,
  ): number
  /** Σ |z| or Σ z² of one thinned task vector, in float64. */
  keptSum(
    base: number,
    term: number,
    squares: boolean,
    work: number,
    block: number,
    index: number,
    offset: number,
    bytes: number,
  ): number
  /** Adds to two u32 per term: elements above `epsilon` together with other models', and alone. */
  countShared(
    base: number,
    terms: number,
    count: number,
    epsilon: number,
    counts: number,
    work: number,
    block: number,
    index: number,
    offset: number,
    bytes: number,
  ): void
  /** Mean weighted by importance, in float64: `assembly/importance.ts`. */
  importanceMean(
    out: number,
    terms: number,
    count: number,
    delta: number,
    offset: number,
    measured: number,
    bytes: number,
  ): number
  /** Upper halves of the random numbers of `count` elements, a multiple of 8. */
  uniformHalves(out: number, key: number, second: number, index: number, count: number): void
  /** Counts of magnitudes |x − base| and their positions: `assembly/select.ts`. */
  countUpper(counts: number, x: number, base: number, elements: number): void
  countLower(counts: number, x: number, base: number, upper: number, elements: number): void
  findEqual(x: number, base: number, bits: number, nth: number, elements: number): number
  /** Positions by rank with partial sums, and the sum over ranks [begin, end): `assembly/rank-sort.ts`. */
  sortPositions(out: number, partial: number, x: number, base: number, elements: number, scratch: number): void
  sumRanks(positions: number, x: number, base: number, begin: number, end: number): number
  /** Ranks within rows, u16: `assembly/row-ranks.ts`. */
  rankRows(out: number, x: number, base: number, rows: number, columns: number, scratch: number): void
  /** Sums of magnitudes by random number: `assembly/chance-sums.ts`. */
  chanceSums(table: number, x: number, base: number, key: number, second: number, elements: number): void
  chanceSum(x: number, base: number, key: number, second: number, begin: number, end: number, elements: number): number
  /** 16-bit floats to float32; `count` elements, a multiple of {@link BLOCK_FLOATS}. */
  fromBfloat16(out: number, source: number, count: number): void
  fromFloat16(out: number, source: number, count: number): void
  /** Rounds to nearest, ties to even. All values must be finite in the narrower type. */
  toBfloat16(out: number, source: number, count: number): void
  toFloat16(out: number, source: number, count: number): void
}

/** The kernels work in blocks of this many bytes; tensors are padded to it with zeros. */
export const BLOCK_BYTES = 64
export const BLOCK_FLOATS = BLOCK_BYTES / 4
export const PAGE_BYTES = 65_536
/** One page below the 4 GiB that 32-bit addresses reach, so that every end is an address too. */
export const MEMORY_BYTES_LIMIT = 65_535 * PAGE_BYTES

/** Whether a kernel's return value says that the result has neither infinities nor NaN. */
export function isFiniteResult(largest: number): boolean {
  return largest >>> 0 < 0x7f800000
}

/** The part of the global that is used; Node's type declarations do not have it. */
interface WebAssemblyGlobal {
  readonly Memory: new (options: { initial: number; maximum: number; shared: true }) => SharedMemory
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown }
}

const { Memory, Module, Instance } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyGlobal }).WebAssembly

/** @throws {MergeError} when the machine does not give that much */
export function allocateSharedMemory(bytes: number): SharedMemory {
  const pages = Math.max(1, Math.ceil(bytes / PAGE_BYTES))
  try {
    return new Memory({ initial: pages, maximum: pages, shared: true })
  } catch (cause) {
    throw new MergeError(`${bytes} bytes of shared memory for the source weights could not be had.`, {
      hint: 'Merge fewer or smaller models at once, or give the process more memory.',
      cause,
    })
  }
}

let compiled: object | undefined

export function instantiateKernel(memory: SharedMemory): Kernel {
  compiled ??= new Module(readModule())
  return new Instance(compiled, { env: { memory } }).exports as Kernel // its signatures are those of assembly/index.ts
}

function readModule(): Uint8Array {
  const url = new URL('./kernel.wasm', import.meta.url)
  try {
    return readFileSync(url)
  } catch (cause) {
    throw new AmalgamError('The merge kernel kernel.wasm is missing.', { hint: 'Run `npm run build:kernel`.', cause })
  }
}
