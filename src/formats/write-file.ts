import { closeSync, fdatasync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { ConfigError, show } from '../errors.ts'
import type { FilePlace } from './checkpoint.ts'
import type { Dtype } from './dtype.ts'
import { encodeSafetensorsHeader, type SafetensorsLayout, type TensorSpec } from './safetensors.ts'

/** One write call takes at most 2^31 - 1 bytes. */
const WRITE_BYTES = 1 << 30

/** Distinguishes temporary files of one process; the process id distinguishes processes. */
let counter = 0

/** A sibling of `path` for what is not finished: the same file system, so that renaming is atomic, and a hidden name. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${counter++}.tmp`)
}

/** Makes a rename in `folder` outlast a power cut. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** A small text file, forced to disk. For folders that get their final name later. */
export function writeText(path: string, text: string): void {
  const descriptor = openSync(path, 'wx')
  try {
    writeSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

export function writeAt({ descriptor, begin }: FilePlace, bytes: Uint8Array): void {
  let done = 0
  while (done < bytes.byteLength) {
    const length = Math.min(WRITE_BYTES, bytes.byteLength - done)
    done += writeSync(descriptor, bytes, done, length, begin + done)
  }
}

/** Forces what was written so far to disk while more is being written. The file must stay open until then. */
export function flush(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) => fdatasync(descriptor, error => (error ? reject(error) : resolve())))
}

/**
 * Writes a safetensors file piece by piece. Nothing appears under the final name before `commit`, which first forces the bytes
 * to disk: a reader sees the old file, no file, or the whole new one.
 */
export class SafetensorsWriter {
  readonly layout: SafetensorsLayout
  readonly #path: string
  readonly #temporary: string
  readonly #descriptor: number
  #written = 0
  #open = true

  /** @throws {ConfigError} when the folder does not exist or cannot be written to. */
  constructor(path: string, specs: readonly TensorSpec[], metadata: ReadonlyMap<string, string> = new Map()) {
    this.layout = encodeSafetensorsHeader(specs, metadata)
    this.#path = path
    this.#temporary = temporaryName(path)
    try {
      this.#descriptor = openSync(this.#temporary, 'wx')
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
      throw new ConfigError(`${path} cannot be written (${code}).`, { cause })
    }
    try {
      this.append(this.layout.header)
    } catch (error) {
      this.abort()
      throw error
    }
  }

  /** Appends bytes; the caller keeps to the order of `layout.entries`. */
  append(bytes: Uint8Array): void {
    writeAt({ descriptor: this.#descriptor, begin: this.#written }, bytes)
    this.#written += bytes.byteLength
  }

  /**
   * Room for the next bytes in the order of `layout.entries`, instead of appending them: the caller fills it by positioned writes, in any
   * order and from any thread, all of them before `commit`.
   */
  reserve(bytes: number): FilePlace {
    const place = { descriptor: this.#descriptor, begin: this.#written }
    this.#written += bytes
    return place
  }

  /** @throws {RangeError} when more or fewer bytes were appended or reserved than the header promises. */
  commit(): void {
    if (this.#written !== this.layout.fileBytes) {
      throw new RangeError(`${this.#path} needs ${this.layout.fileBytes} bytes, and ${this.#written} were appended.`)
    }
    fsyncSync(this.#descriptor)
    closeSync(this.#descriptor)
    this.#open = false
    renameSync(this.#temporary, this.#path)
    syncFolder(dirname(this.#path))
  }

  /** Removes what was written. Harmless after `commit`. */
  abort(): void {
    if (!this.#open) return
    this.#open = false
    closeSync(this.#descriptor)
    rmSync(this.#temporary, { force: true })
  }
}

export interface TensorData {
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** Little-endian, row-major. */
  readonly data: Uint8Array
}

/**
 * Writes a whole safetensors file, atomically.
 * @throws {RangeError} when the bytes of a tensor do not fit its dtype and shape
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<readonly [name: string, tensor: TensorData]>,
  metadata: ReadonlyMap<string, string> | Readonly<Record<string, string>> = {},
): void {
  const list = [...tensors]
  const specs = list.map(([name, { dtype, shape }]) => ({ name, dtype, shape }))
  const data = new Map(list)
  const texts: ReadonlyMap<string, string> = metadata instanceof Map ? metadata : new Map(Object.entries(metadata))
  const writer = new SafetensorsWriter(path, specs, texts)
  try {
    for (const { name, begin, end } of writer.layout.entries) {
      const bytes = data.get(name)!.data
      if (bytes.byteLength !== end - begin) {
        throw new RangeError(
          `Tensor ${show(name)} takes ${end - begin} bytes by its shape, and has ${bytes.byteLength}.`,
        )
      }
      writer.append(bytes)
    }
    writer.commit()
  } finally {
    writer.abort()
  }
}
