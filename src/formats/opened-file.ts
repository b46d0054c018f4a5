import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { ConfigError, FormatError, show } from '../errors.ts'
import type { FilePlace } from './checkpoint.ts'
import type { ByteSource } from './onnx-wire.ts'

/** Files of hostile folders, opened once and read by descriptor. */

/** One read call takes at most 2^31 - 1 bytes. */
const READ_BYTES = 1 << 30
/** What a {@link FileWindow} reads ahead. Most of what is looked at are tags and names of a few bytes. */
const WINDOW_BYTES = 4_096

/**
 * Fills `target` with the bytes from a place on.
 * @param path names the file in messages
 */
export function readAt({ descriptor, begin }: FilePlace, target: Uint8Array, path: string): void {
  let done = 0
  while (done < target.byteLength) {
    const length = Math.min(READ_BYTES, target.byteLength - done)
    const count = readSync(descriptor, target, done, length, begin + done)
    if (count === 0) {
      throw new FormatError(
        `${path} became shorter while it was read: it ends before byte ${begin + target.byteLength}.`,
      )
    }
    done += count
  }
}

/** An open regular file. Size and identity are those of the descriptor, so a swapped path cannot mix two files. */
export class OpenFile {
  readonly path: string
  readonly bytes: number
  /** Names that the file has, in whatever folders. */
  readonly links: number
  /** Valid until `close`. */
  readonly descriptor: number
  readonly #opened: Stats
  #closed = false

  /** @param flags besides reading */
  constructor(path: string, flags = 0) {
    this.path = path
    // Without O_NONBLOCK, opening a named pipe would wait for a writer, maybe for ever.
    this.descriptor = attempt(path, () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags))
    this.#opened = fstatSync(this.descriptor)
    this.bytes = this.#opened.size
    this.links = this.#opened.nlink
    if (!this.#opened.isFile()) {
      this.close()
      throw new ConfigError(`${path} is not a regular file.`)
    }
  }

  /** Fills `target` with the bytes from `begin` on. */
  read(begin: number, target: Uint8Array): void {
    readAt({ descriptor: this.descriptor, begin }, target, this.path)
  }

  verifyUnchanged(): void {
    const now = fstatSync(this.descriptor)
    const path = statOf(this.path)
    const then = this.#opened
    if (now.size !== then.size || now.mtimeMs !== then.mtimeMs || path.ino !== then.ino || path.dev !== then.dev) {
      throw new FormatError(`${this.path} was changed while it was read.`, {
        hint: 'Start again when the file is final.',
      })
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    closeSync(this.descriptor)
  }
}

/** A file as bytes of which only the parts that are looked at are read, a few kilobytes at a time. */
export class FileWindow implements ByteSource {
  readonly byteLength: number
  readonly #file: OpenFile
  #window = new Uint8Array(0)
  #begin = 0

  constructor(file: OpenFile) {
    this.#file = file
    this.byteLength = file.bytes
  }

  subarray(start: number, end: number): Uint8Array {
    if (start < this.#begin || end > this.#begin + this.#window.byteLength) {
      const stop = Math.min(Math.max(end, start + WINDOW_BYTES), this.byteLength)
      const fresh = new Uint8Array(Math.max(0, stop - start)) // what was handed out before stays as it is
      this.#file.read(start, fresh)
      this.#window = fresh
      this.#begin = start
    }
    return this.#window.subarray(start - this.#begin, end - this.#begin)
  }
}

/** Closes what `work` opened when it fails. */
export function withFiles<T>(work: (open: (path: string, flags?: number) => OpenFile) => T): T {
  const opened: OpenFile[] = []
  try {
    return work((path, flags) => {
      const file = new OpenFile(path, flags)
      opened.push(file)
      return file
    })
  } catch (error) {
    for (const file of opened) file.close()
    throw error
  }
}

/**
 * A file of a model folder must not lead out of it: the folder may come from anyone. Hugging Face's cache is made of links from
 * `snapshots/<revision>/` to `blobs/` two levels up; these are followed.
 * @returns where the file really is
 * @throws {FormatError}
 */
export function requireInside(folder: string, name: string): string {
  const path = join(folder, name)
  const home = attempt(folder, () => realpathSync(folder))
  const real = attempt(path, () => realpathSync(path))
  if (real.startsWith(home.endsWith(sep) ? home : home + sep) || dirname(real) === blobsOf(home)) return real
  throw new FormatError(`${path} is a link that leads out of its folder, to ${show(real)}.`, {
    hint: 'Give the path of that file itself, or copy it.',
  })
}

/** `models--x/blobs` for `models--x/snapshots/<revision>` and folders in it. */
function blobsOf(home: string): string | undefined {
  for (let folder = home; dirname(folder) !== folder; folder = dirname(folder))
    if (basename(dirname(folder)) === 'snapshots') return join(folder, '..', '..', 'blobs')
  return undefined
}

/**
 * Opens a file whose name another file gives, such as ONNX external data. A second name of a file (a hard link) may be anything the
 * user can read, and a link put there after the check is not followed.
 * @throws {ConfigError | FormatError}
 */
export function openNamed(
  folder: string,
  names: readonly string[],
  open: (path: string, flags: number) => OpenFile,
): OpenFile {
  const file = open(requireInside(folder, join(...names)), constants.O_NOFOLLOW)
  if (file.links > 1)
    throw new FormatError(`${file.path} has ${file.links} names (hard links): it may be a file from elsewhere.`, {
      hint: 'Copy it, and put the copy in its place.',
    })
  return file
}

export function statOf(path: string): Stats {
  return attempt(path, () => statSync(path))
}

export function attempt<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new ConfigError(`${path} does not exist.`, { cause })
    if (code !== undefined) throw new ConfigError(`${path} cannot be read (${code}).`, { cause })
    throw cause
  }
}
