import { availableParallelism } from 'node:os'
import { setImmediate as breathe } from 'node:timers/promises'
import type { FilePlace } from '../../formats/checkpoint.ts'
import { type TensorSpec, tensorBytes } from '../../formats/safetensors.ts'
import { flush, writeAt } from '../../formats/write-file.ts'
import { mergeTensor } from './merge-tensor.ts'
import { type StreamJob, StreamPool } from './pool.ts'
import { isElementwise, type StreamTensor } from './stream-tensor.ts'
import { type TensorBytes, TILE_SIZES, type TileSizes } from './tile-frame.ts'

/** Merges file to file: tile by tile where it can be, on several threads where that is worth their start. */

export interface OutputTensor {
  /** How it is merged in tiles; undefined: only by its definition. */
  readonly stream: StreamTensor | undefined
  /** For what no thread can read by descriptor. */
  readonly read: TensorBytes['read']
  /** By its definition: gives all bytes, in order. Explains what is wrong with a tensor that cannot be merged. */
  readonly define: (append: (bytes: Uint8Array) => void) => void
}

/** Room for tensors in files. */
export interface TensorSink {
  /** In the order in which room is taken. */
  readonly entries: readonly TensorSpec[]
  reserve(bytes: number): FilePlace
  /** Files that wait to be settled, and the one that room is taken in. */
  readonly openFiles: number
  /** Told when all room is filled. */
  settle(): void
}

export interface StreamOptions {
  /** Default: the cores that the process may use, at most {@link THREADS_LIMIT}. 1: none besides the caller's. */
  readonly threads?: number
  /** Bytes of output from which on threads are started. */
  readonly threadBytes?: number
  readonly sizes?: TileSizes
}

/** More would wait for the memory or the disk. */
const THREADS_LIMIT = 8
const THREAD_BYTES = 32 << 20
/** Elements of a job that may be a part of a tensor. */
const JOB_ELEMENTS = 1 << 23
const OPEN_FILES = 16
/** The disk gets to work while the rest is merged. */
const FLUSH_BYTES = 64 << 20

/**
 * Writes all tensors of a sink; the caller commits it.
 * @param tensors by name
 * @throws {MergeError | FormatError | StorageError} when no thread writes any more
 */
export async function writeTensors(
  tensors: ReadonlyMap<string, OutputTensor>,
  sink: TensorSink,
  { threads = availableParallelism(), threadBytes = THREAD_BYTES, sizes = TILE_SIZES }: StreamOptions = {},
): Promise<void> {
  const bytes = sink.entries.reduce(
    (sum, spec) => sum + (isThreadable(tensors.get(spec.name)!) ? tensorBytes(spec) : 0),
    0,
  )
  const pool = threads > 1 && bytes >= threadBytes ? new StreamPool(Math.min(threads, THREADS_LIMIT), sizes) : undefined
  const flushing = new BackgroundFlush()
  try {
    let batch: PlacedTensor[] = []
    for (const [i, spec] of sink.entries.entries()) {
      const size = tensorBytes(spec)
      if (size > 0) batch.push({ ...tensors.get(spec.name)!, size, out: sink.reserve(size) })
      if (sink.openFiles <= OPEN_FILES && i < sink.entries.length - 1) continue
      await writeBatch(batch, pool, sizes, flushing)
      batch = []
      await flushing.end()
      sink.settle()
    }
  } finally {
    await flushing.end()
    await pool?.close()
  }
}

interface PlacedTensor extends OutputTensor {
  readonly out: FilePlace
  /** Bytes. */
  readonly size: number
}

async function writeBatch(
  batch: readonly PlacedTensor[],
  pool: StreamPool | undefined,
  sizes: TileSizes,
  flushing: BackgroundFlush,
): Promise<void> {
  const ours: PlacedTensor[] = []
  const theirs: PlacedTensor[] = []
  for (const tensor of batch) (pool !== undefined && isThreadable(tensor) ? theirs : ours).push(tensor)
  const defined = new Set<PlacedTensor>()
  // The largest first: what a tensor needs to know of itself is found by one thread.
  const running = [...theirs]
    .sort((a, b) => b.size - a.size)
    .flatMap(tensor => jobsOf(tensor).map(job => ({ tensor, job })))
    .map(async ({ tensor, job }) => {
      if (!(await pool!.run(job))) defined.add(tensor)
      flushing.wrote(tensor.out, (tensor.size * (job.end - job.begin)) / job.tensor.elements)
    })
  const settled = Promise.allSettled(running)
  try {
    for (const tensor of ours) {
      if (!mergeHere(tensor, sizes)) define(tensor)
      flushing.wrote(tensor.out, tensor.size)
      await breathe() // timers, signals, threads and progress get their turn between tensors
    }
  } catch (error) {
    pool?.stop()
    throw error
  } finally {
    await settled
  }
  for (const job of await settled) if (job.status === 'rejected') throw job.reason
  for (const tensor of theirs) {
    if (defined.has(tensor)) define(tensor)
    await breathe()
  }
}

function isThreadable({ stream }: OutputTensor): boolean {
  return stream?.inputs.every(({ place }) => place !== undefined) === true
}

/** Elements that know nothing of each other let threads share a tensor. */
function jobsOf({ stream, out }: PlacedTensor): StreamJob[] {
  const tensor = stream!
  const { elements, method } = tensor
  const step = isElementwise(method) ? JOB_ELEMENTS : elements
  const jobs: StreamJob[] = []
  for (let begin = 0; begin < elements; begin += step) {
    jobs.push({ tensor, begin, end: Math.min(elements, begin + step), out })
  }
  return jobs
}

function mergeHere({ stream, read, out }: PlacedTensor, sizes: TileSizes): boolean {
  if (stream === undefined) return false
  const write = (offset: number, bytes: Uint8Array) => writeAt({ ...out, begin: out.begin + offset }, bytes)
  return mergeTensor(stream, 0, stream.elements, { read, write }, sizes)
}

function define({ define: work, out, size }: PlacedTensor): void {
  let done = 0
  work(bytes => {
    writeAt({ ...out, begin: out.begin + done }, bytes)
    done += bytes.byteLength
  })
  if (done !== size) throw new RangeError(`A tensor of ${size} bytes was given ${done}.`)
}

/** Sends what has been written to the disk now and then, one file at a time. */
class BackgroundFlush {
  #bytes = 0
  #running: Promise<void> | undefined
  #failure: unknown

  wrote(out: FilePlace, bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < FLUSH_BYTES || this.#running !== undefined) return
    this.#bytes = 0
    this.#running = flush(out)
      .catch((error: unknown) => {
        this.#failure ??= error
      })
      .finally(() => {
        this.#running = undefined
      })
  }

  /** A disk reports a failure once: what went wrong here would not be told again by the last flush. */
  async end(): Promise<void> {
    await this.#running
    if (this.#failure !== undefined) throw this.#failure
  }
}
