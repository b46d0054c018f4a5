import {
  closeSync,
  existsSync,
  fdatasync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { ConfigError, StorageError, show } from '../errors.ts'
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

/** What the system says of a write that failed, in words. */
const PROBLEMS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file system takes no file of that size',
  EIO: 'the disk failed',
}

/** Expected failures of writing, told of the file; anything else as it is. `detail` follows the reason: " after 5 of 9 bytes". */
export function writeProblem(path: string, cause: unknown, detail = ''): unknown {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined
  const problem = code === undefined ? undefined : PROBLEMS[code]
  if (problem === undefined) return cause
  return new StorageError(`${path} could not be written: ${problem} (${code})${detail}.`, {
    hint: 'Nothing was left there. Make room, or choose a place on another disk.',
    cause,
  })
}

/** @throws {StorageError} when the disk of a file has too little room for it, told before hours of work and not after. */
export function requireRoom(path: string, bytes: number): void {
  let free: number
  try {
    const { bavail, bsize } = statfsSync(dirname(path))
    free = bavail * bsize
  } catch {
    return // a file system that does not say; or no such folder, which is told when the file is opened
  }
  if (bytes > free)
    throw new StorageError(`${path} needs ${bytes} bytes, and its disk has ${free} left.`, {
      hint: 'Make room, or choose a place on another disk.',
    })
}

/** A small text file, forced to disk. For folders that get their final name later. */
export function writeText(path: string, text: string): void {
  writeWhole(path, Buffer.from(text))
}

/** A copy of a small file, forced to disk. For folders that get their final name later. */
export function writeCopy(from: string, path: string): void {
  writeWhole(path, readFileSync(from))
}

function writeWhole(path: string, bytes: Uint8Array): void {
  const descriptor = openSync(path, 'wx')
  try {
    writeAt({ descriptor, begin: 0, path }, bytes)
    fsyncSync(descriptor)
  } catch (error) {
    throw writeProblem(path, error)
  } finally {
    closeSync(descriptor)
  }
}

/** @throws {StorageError} when the disk does not take them */
export function writeAt({ descriptor, begin, path = 'A file' }: FilePlace, bytes: Uint8Array): void {
  try {
    for (let done = 0; done < bytes.byteLength; ) {
      const length = Math.min(WRITE_BYTES, bytes.byteLength - done)
      done += writeSync(descriptor, bytes, done, length, begin + done)
    }
  } catch (error) {
    throw writeProblem(path, error, ` near byte ${begin}`)
  }
}

/** Forces what was written so far to disk while more is being written. The file must stay open until then. */
export function flush({ descriptor, path = 'A file' }: FilePlace): Promise<void> {
  return new Promise((resolve, reject) =>
    fdatasync(descriptor, error => (error ? reject(writeProblem(path, error)) : resolve())),
  )
}

/**
 * A file that is written piece by piece. Nothing appears under the final name before `commit`, which first forces the bytes to disk: a reader
 * sees the old file, no file, or the whole new one.
 */
export class AtomicFile {
  readonly path: string
  /** How long it will be. */
  readonly bytes: number
  readonly #temporary: string
  readonly #descriptor: number
  #written = 0
  #open = true

  /**
   * @throws {ConfigError} when the folder does not exist or cannot be written to
   * @throws {StorageError} when there is no room for it
   */
  constructor(path: string, bytes: number, existing: 'replace' | 'refuse' = 'replace') {
    this.path = path
    this.bytes = bytes
    if (existing === 'refuse' && existsSync(path))
      throw new ConfigError(`${path} exists, and may belong to another model.`, {
        hint: 'Choose another place, or remove it.',
      })
    this.#temporary = temporaryName(path)
    requireRoom(path, bytes)
    try {
      this.#descriptor = openSync(this.#temporary, 'wx')
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
      throw new ConfigError(`${path} cannot be written (${code}).`, { cause })
    }
  }

  /** Bytes that were appended or reserved. */
  get written(): number {
    return this.#written
  }

  append(bytes: Uint8Array): void {
    writeAt(this.reserve(bytes.byteLength), bytes)
  }

  /**
   * Room for the next bytes, instead of appending them: the caller fills it by positioned writes, in any order and from any thread, all of
   * them before `commit`.
   */
  reserve(bytes: number): FilePlace {
    const place = { descriptor: this.#descriptor, begin: this.#written, path: this.path }
    this.#written += bytes
    return place
  }

  /**
   * @throws {RangeError} when more or fewer bytes were appended or reserved than announced
   * @throws {StorageError} when the disk does not take them
   */
  commit(): void {
    if (this.#written !== this.bytes) {
      throw new RangeError(`${this.path} needs ${this.bytes} bytes, and ${this.#written} were appended.`)
    }
    try {
      fsyncSync(this.#descriptor)
    } catch (error) {
      throw writeProblem(this.path, error)
    }
    closeSync(this.#descriptor)
    this.#open = false
    try {
      renameSync(this.#temporary, this.path)
    } catch (cause) {
      rmSync(this.#temporary, { force: true })
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
      throw new ConfigError(`${this.path} cannot be written (${code}).`, { cause })
    }
    syncFolder(dirname(this.path))
  }

  /** Removes what was written. Harmless after `commit`. */
  abort(): void {
    if (!this.#open) return
    this.#open = false
    closeSync(this.#descriptor)
    rmSync(this.#temporary, { force: true })
  }
}

/** Commits two files of which the second refers to the first: both are there afterwards, or none. */
export function commitPair(first: AtomicFile, second: AtomicFile): void {
  first.commit() // a reader of the second finds the first
  try {
    second.commit()
  } catch (error) {
    rmSync(first.path, { force: true })
    throw error
  }
}

/** Writes a safetensors file piece by piece, as an {@link AtomicFile}. */
export class SafetensorsWriter {
  readonly layout: SafetensorsLayout
  readonly #file: AtomicFile

  /** @throws {ConfigError | StorageError} as {@link AtomicFile} */
  constructor(path: string, specs: readonly TensorSpec[], metadata: ReadonlyMap<string, string> = new Map()) {
    this.layout = encodeSafetensorsHeader(specs, metadata)
    this.#file = new AtomicFile(path, this.layout.fileBytes)
    try {
      this.append(this.layout.header)
    } catch (error) {
      this.abort()
      throw error
    }
  }

  /** In the order in which bytes must be appended. */
  get entries(): readonly TensorSpec[] {
    return this.layout.entries
  }

  /** Appends bytes; the caller keeps to the order of `entries`. */
  append(bytes: Uint8Array): void {
    this.#file.append(bytes)
  }

  /** As {@link AtomicFile.reserve}, in the order of `entries`. */
  reserve(bytes: number): FilePlace {
    return this.#file.reserve(bytes)
  }

  /** @throws {RangeError | StorageError} as {@link AtomicFile.commit} */
  commit(): void {
    this.#file.commit()
  }

  /** Removes what was written. Harmless after `commit`. */
  abort(): void {
    this.#file.abort()
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
