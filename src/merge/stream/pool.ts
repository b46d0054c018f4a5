import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import { FormatError, MergeError, StorageError } from '../../errors.ts'
import type { FilePlace } from '../../formats/checkpoint.ts'
import type { StreamTensor } from './stream-tensor.ts'
import type { TileSizes } from './tile-frame.ts'

/** Elements [begin, end) of a tensor, whose result begins at `out`. Files are read and written by the process's descriptors. */
export interface StreamJob {
  readonly tensor: StreamTensor
  readonly begin: number
  readonly end: number
  readonly out: FilePlace
}

/** Errors do not cross threads as what they are; expected ones travel in parts. */
export type StreamOutcome =
  | { readonly kind: 'merged' | 'irregular' | 'stopped' }
  | { readonly kind: 'failed'; readonly name: string; readonly message: string; readonly hint: string | undefined }

export interface StreamThreadData {
  /** Not 0: jobs that have not begun are not worth it any more. */
  readonly stop: Int32Array
  readonly sizes: TileSizes
}

/** Threads that merge tensors of files. */
export class StreamPool {
  readonly #stop = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  readonly #threads: Piscina<StreamJob, StreamOutcome>

  constructor(threads: number, sizes: TileSizes) {
    const data: StreamThreadData = { stop: this.#stop, sizes }
    this.#threads = new Piscina({
      filename: compiledWorker(),
      name: 'runStreamJob',
      workerData: data,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
      recordTiming: false,
    })
  }

  /** @returns false where only the operator's definition can merge the tensor, or where the pool has been stopped */
  async run(job: StreamJob): Promise<boolean> {
    const outcome = await this.#threads.run(job)
    if (outcome.kind !== 'failed') return outcome.kind === 'merged'
    const { name, message, hint } = outcome
    const ExpectedError = name === 'FormatError' ? FormatError : name === 'StorageError' ? StorageError : MergeError
    throw new ExpectedError(message, hint === undefined ? {} : { hint })
  }

  /** Waiting jobs end at once. */
  stop(): void {
    Atomics.store(this.#stop, 0, 1)
  }

  /** No job may be running: a thread must not write to a descriptor that is closed, or another file's by then. */
  close(): Promise<void> {
    return this.#threads.destroy()
  }
}

/** A thread loads plain JavaScript, also when the caller runs from the TypeScript sources: `src/` maps to `dist/`. */
function compiledWorker(): string {
  const here = import.meta.url.endsWith('.ts')
    ? import.meta.url.replace(/\/src\/(?!.*\/src\/)/, '/dist/')
    : import.meta.url
  return fileURLToPath(new URL('worker.js', here))
}
