import { decodeToFloat32, dtypeBytes, encodeFloat32 } from '../../formats/dtype.ts'
import { allocateSharedMemory, BLOCK_FLOATS, isFiniteResult, PAGE_BYTES, type SharedMemory } from '../kernel/load.ts'
import { padded } from '../layout.ts'
import { INFINITE_FROM, requireFits } from '../program/read-tensor.ts'
import { Areas } from './areas.ts'
import { instantiateStreamKernel, type StreamKernel } from './stream-kernel.ts'
import type { StreamTensor } from './stream-tensor.ts'

/** How a tensor's bytes come and go. Offsets are bytes from the start of the tensor, as its program sees it. */
export interface TensorBytes {
  read(input: number, offset: number, target: Uint8Array): void
  write(offset: number, bytes: Uint8Array): void
}

export interface TileSizes {
  /** Elements of one input that are read at a time: large enough for the disk, small enough that all inputs stay in the cache. */
  readonly tile: number
  /** Elements that the kernels go through at a time; as float32 they stay in the level 2 cache, with those of some models. */
  readonly chunk: number
}

export const TILE_SIZES: TileSizes = { tile: 1 << 17, chunk: 1 << 12 }

/** The tensor is none for tiles: what stands in it, or would come out, is for the operator's definition to judge. */
export class IrregularTensor extends Error {}

/**
 * The memory that one tensor is merged in: of every input a tile as stored and a chunk as float32, and room for what an operator asks
 * for. Its size depends on the number of inputs and on nothing else, besides what was asked for.
 */
export class TileFrame {
  readonly kernel: StreamKernel
  readonly tensor: StreamTensor
  /** Elements of a chunk, but for the last. */
  readonly chunk: number
  /** The float32 chunk that becomes the result. */
  readonly out: number
  /** Float64 numbers. */
  readonly f64: Float64Array
  readonly f32: Float32Array
  readonly u32: Uint32Array
  readonly bytes: Uint8Array
  readonly #memory: SharedMemory
  readonly #io: TensorBytes
  readonly #tileChunks: number
  readonly #stored: readonly number[]
  readonly #chunks: readonly number[]
  readonly #result: number

  /**
   * @param chunk elements that are merged at a time; a multiple of the kernels' block unless rows are to stay together
   * @param extra bytes for the operator's own use
   */
  constructor(tensor: StreamTensor, io: TensorBytes, { tile, chunk }: TileSizes, extra: number) {
    this.tensor = tensor
    this.#io = io
    this.chunk = chunk
    this.#tileChunks = Math.max(1, Math.floor(tile / chunk))
    const tileBytes = (size: number) => this.#tileChunks * chunk * size + SLACK
    const areas = new Areas(extra)
    this.#stored = tensor.inputs.map(({ dtype }) => areas.take(tileBytes(dtypeBytes(dtype))))
    this.#result = areas.take(tileBytes(dtypeBytes(tensor.written)))
    this.#chunks = tensor.inputs.map(() => areas.take(padded(chunk) * 4))
    this.out = areas.take(padded(chunk) * 4)
    this.#memory = memoryOf(areas.bytes)
    const { buffer } = this.#memory
    this.kernel = instantiateStreamKernel(this.#memory)
    this.f64 = new Float64Array(buffer)
    this.f32 = new Float32Array(buffer)
    this.u32 = new Uint32Array(buffer)
    this.bytes = new Uint8Array(buffer)
  }

  /** Address of an input's float32 chunk. */
  at(input: number): number {
    return this.#chunks[input]!
  }

  /**
   * Goes through elements [begin, end) in order, with a chunk of each of `inputs` in float32.
   * @param visit is told the first element of the chunk, how many there are, and how many with the zeros that fill the last block up
   */
  pass(
    inputs: readonly number[],
    begin: number,
    end: number,
    visit: (start: number, count: number, whole: number) => void,
  ): void {
    const tile = this.#tileChunks * this.chunk
    for (let at = begin; at < end; at += tile) {
      const length = Math.min(tile, end - at)
      for (const input of inputs) this.#read(input, at, length)
      for (let from = 0; from < length; from += this.chunk) {
        const count = Math.min(this.chunk, length - from)
        for (const input of inputs) this.#widen(input, from, count)
        visit(at + from, count, padded(count))
      }
    }
  }

  /** As `pass`; writes what `compute` leaves in `out`, and checks the largest magnitude, whose bits it returns. */
  write(
    inputs: readonly number[],
    begin: number,
    end: number,
    compute: (start: number, count: number, whole: number) => number,
  ): void {
    const { written, name } = this.tensor
    const size = dtypeBytes(written)
    const tile = this.#tileChunks * this.chunk
    let filled = 0
    this.pass(inputs, begin, end, (start, count, whole) => {
      const largest = compute(start, count, whole)
      if (!isFiniteResult(largest)) throw new IrregularTensor()
      if (largest >>> 0 >= SAFE_BITS || size === 1) requireFits(name, largest, written)
      this.#narrow(filled, whole)
      filled += count
      if (filled === tile || start + count === end) {
        this.#io.write((start + count - filled) * size, this.bytes.subarray(this.#result, this.#result + filled * size))
        filled = 0
      }
    })
  }

  /** @throws {IrregularTensor} where an input's chunk has a NaN or an infinity */
  requireFinite(input: number, whole: number): void {
    if (!isFiniteResult(this.kernel.largest(this.at(input), whole))) throw new IrregularTensor()
  }

  #read(input: number, start: number, count: number): void {
    const size = dtypeBytes(this.tensor.inputs[input]!.dtype)
    const at = this.#stored[input]!
    this.#io.read(input, start * size, this.bytes.subarray(at, at + count * size))
  }

  #widen(input: number, from: number, count: number): void {
    const { dtype } = this.tensor.inputs[input]!
    const to = this.#chunks[input]!
    const size = dtypeBytes(dtype)
    const stored = this.#stored[input]! + from * size
    const whole = padded(count)
    const { kernel, tensor } = this
    if (dtype === 'BF16') kernel.fromBfloat16(to, stored, whole)
    else if (dtype === 'F16') kernel.fromFloat16(to, stored, whole)
    else if (dtype === 'F32') this.bytes.copyWithin(to, stored, stored + count * size)
    else {
      const target = this.f32.subarray(to / 4, to / 4 + count)
      decodeToFloat32(this.bytes.subarray(stored, stored + count * size), dtype, target)
    }
    if (whole > count) this.f32.fill(0, to / 4 + count, to / 4 + whole)
    const { work } = tensor
    if (work === undefined || work === dtype || work === 'F32' || work === 'F64') return
    if (asFloat(kernel.largest(to, whole)) < INFINITE_FROM[work]) {
      // `out` is free before a chunk is merged.
      if (work === 'BF16') kernel.toBfloat16(this.out, to, whole)
      else kernel.toFloat16(this.out, to, whole)
      if (work === 'BF16') kernel.fromBfloat16(to, this.out, whole)
      else kernel.fromFloat16(to, this.out, whole)
    } else throw new IrregularTensor()
  }

  #narrow(from: number, whole: number): void {
    const { written } = this.tensor
    const size = dtypeBytes(written)
    const to = this.#result + from * size
    if (written === 'BF16') this.kernel.toBfloat16(to, this.out, whole)
    else if (written === 'F16') this.kernel.toFloat16(to, this.out, whole)
    else if (written === 'F32') this.bytes.copyWithin(to, this.out, this.out + whole * size)
    else {
      const values = this.f32.subarray(this.out / 4, this.out / 4 + whole)
      encodeFloat32(values, written, this.bytes.subarray(to, to + whole * size))
    }
  }
}

/** Kernels read and write whole blocks, so beyond the end of a tile by less than one, of float64 at most. */
const SLACK = BLOCK_FLOATS * 8
/** Bits of 65504, the largest float16: below it, every type of two bytes and more holds a magnitude. */
const SAFE_BITS = 0x477fe000

function asFloat(bits: number): number {
  return new Float32Array(Uint32Array.of(bits).buffer)[0]!
}

/** Bytes of the memory that this thread merges in. */
export function frameMemoryBytes(): number {
  return kept?.bytes ?? 0
}

let kept: { readonly memory: SharedMemory; readonly bytes: number } | undefined

/** One memory per thread serves tensor after tensor: giving it back to the system takes the garbage collector's time. */
function memoryOf(bytes: number): SharedMemory {
  if (kept === undefined || kept.bytes < bytes) {
    kept = undefined
    const whole = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES
    kept = { memory: allocateSharedMemory(whole), bytes: whole }
  }
  return kept.memory
}
