import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { ConfigError, FormatError, nearest, show } from '../errors.ts'
import type { Checkpoint, FilePlace, TensorInfo } from './checkpoint.ts'
import { MODEL_BYTES_LIMIT } from './onnx.ts'
import { readOnnxInitializers } from './onnx-rewrite.ts'
import { parseSafetensorsHeader, readHeaderLength } from './safetensors.ts'
import { INDEX_BYTES_LIMIT, parseSafetensorsIndex, requireShardMatches } from './safetensors-index.ts'

/** The rim between checkpoints on disk and the pure readers beside this file. */

const SINGLE = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'
const PICKLES: ReadonlySet<string> = new Set(['.bin', '.pt', '.pth', '.ckpt', '.pkl', '.pickle'])
/** One read call takes at most 2^31 - 1 bytes. */
const READ_BYTES = 1 << 30

const OPENERS: ReadonlyMap<string, (path: string) => Checkpoint> = new Map([
  ['.safetensors', openSafetensors],
  ['.onnx', openOnnx],
])

/**
 * Opens a `.safetensors` or `.onnx` file, or a folder in Hugging Face's layout. Of safetensors only headers are read; close it when
 * done.
 * @throws {ConfigError} when the path does not lead to weights of a known format
 * @throws {FormatError} when the file breaks the rules of its format
 */
export function openCheckpoint(path: string): Checkpoint {
  const stats = statOf(path)
  if (stats.isDirectory()) return openFolder(path)
  const extension = extname(path).toLowerCase()
  const open = OPENERS.get(extension)
  if (open !== undefined) return open(path)
  if (PICKLES.has(extension)) throw pickleError(path)
  throw new ConfigError(
    `${path} is of no known format; known are ${[...OPENERS.keys()].join(', ')} and folders with ${SINGLE}.`,
  )
}

/** An open regular file. Size and identity are those of the descriptor, so a swapped path cannot mix two files. */
export class OpenFile {
  readonly path: string
  readonly bytes: number
  /** Valid until `close`. */
  readonly descriptor: number
  readonly #opened: Stats
  #closed = false

  constructor(path: string) {
    this.path = path
    // Without O_NONBLOCK, opening a named pipe would wait for a writer, maybe for ever.
    this.descriptor = attempt(path, () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK))
    this.#opened = fstatSync(this.descriptor)
    this.bytes = this.#opened.size
    if (!this.#opened.isFile()) {
      this.close()
      throw new ConfigError(`${path} is not a regular file.`)
    }
  }

  /** Fills `target` with the bytes from `begin` on. */
  read(begin: number, target: Uint8Array): void {
    let done = 0
    while (done < target.byteLength) {
      const length = Math.min(READ_BYTES, target.byteLength - done)
      const count = readSync(this.descriptor, target, done, length, begin + done)
      if (count === 0) {
        throw new FormatError(
          `${this.path} became shorter while it was read: it ends before byte ${begin + target.byteLength}.`,
        )
      }
      done += count
    }
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

/** Where the bytes of a tensor begin: in an open file, or in memory for formats that do not store them as they are. */
export type TensorPlace = { readonly file: OpenFile; readonly begin: number } | { readonly bytes: Uint8Array }

/** A checkpoint whose tensors have known places. */
export class PlacedCheckpoint implements Checkpoint {
  readonly path: string
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly metadata: ReadonlyMap<string, string>
  readonly #files: readonly OpenFile[]
  readonly #places: ReadonlyMap<string, TensorPlace>

  constructor(
    path: string,
    files: readonly OpenFile[],
    tensors: ReadonlyMap<string, { readonly info: TensorInfo; readonly place: TensorPlace }>,
    metadata: ReadonlyMap<string, string> = new Map(),
  ) {
    this.path = path
    this.#files = files
    this.tensors = new Map([...tensors].map(([name, { info }]) => [name, info]))
    this.#places = new Map([...tensors].map(([name, { place }]) => [name, place]))
    this.metadata = metadata
  }

  get files(): readonly string[] {
    return this.#files.map(file => resolve(file.path))
  }

  read(name: string, target?: Uint8Array): Uint8Array {
    const { byteLength } = this.#info(name)
    const bytes = target ?? new Uint8Array(byteLength)
    if (bytes.byteLength !== byteLength) {
      throw new RangeError(`Tensor ${show(name)} has ${byteLength} bytes, the target ${bytes.byteLength}.`)
    }
    this.readRange(name, 0, bytes)
    return bytes
  }

  readRange(name: string, offset: number, target: Uint8Array): void {
    const { byteLength } = this.#info(name)
    if (offset < 0 || offset + target.byteLength > byteLength) {
      throw new RangeError(
        `Bytes ${offset}..${offset + target.byteLength} are outside tensor ${show(name)} of ${byteLength}.`,
      )
    }
    const place = this.#places.get(name)!
    if ('bytes' in place) target.set(place.bytes.subarray(offset, offset + target.byteLength))
    else place.file.read(place.begin + offset, target)
  }

  placeOf(name: string): FilePlace | undefined {
    this.#info(name)
    const place = this.#places.get(name)!
    return 'bytes' in place ? undefined : { descriptor: place.file.descriptor, begin: place.begin }
  }

  verifyUnchanged(): void {
    for (const file of this.#files) file.verifyUnchanged()
  }

  close(): void {
    for (const file of this.#files) file.close()
  }

  #info(name: string): TensorInfo {
    const info = this.tensors.get(name)
    if (info !== undefined) return info
    const near = nearest(name, this.tensors.keys())
    throw new FormatError(`${this.path} has no tensor ${show(name)}.`, {
      ...(near === undefined ? {} : { hint: `Did you mean ${show(near)}?` }),
    })
  }
}

type Placed = Map<string, { info: TensorInfo; place: TensorPlace }>

function openSafetensors(path: string): Checkpoint {
  return withFiles(open => {
    const file = open(path)
    const tensors: Placed = new Map()
    const metadata = placeTensors(file, tensors)
    return new PlacedCheckpoint(path, [file], tensors, metadata)
  })
}

/** The float initializers of a graph. The file is read as a whole once, and not kept where its bytes are the elements. */
function openOnnx(path: string): Checkpoint {
  return withFiles(open => {
    const file = open(path)
    if (file.bytes > MODEL_BYTES_LIMIT) {
      throw new FormatError(`${path} has ${file.bytes} bytes; an ONNX file has at most ${MODEL_BYTES_LIMIT}.`)
    }
    const bytes = new Uint8Array(file.bytes)
    file.read(0, bytes)
    const tensors: Placed = new Map()
    for (const [name, { dtype, shape, data }] of readOnnxInitializers(bytes, path)) {
      const place = data.buffer === bytes.buffer ? { file, begin: data.byteOffset } : { bytes: data }
      tensors.set(name, { info: { name, dtype, shape, byteLength: data.byteLength }, place })
    }
    return new PlacedCheckpoint(path, [file], tensors)
  })
}

function openFolder(folder: string): Checkpoint {
  const names = attempt(folder, () => readdirSync(folder))
  if (names.includes(SINGLE)) {
    requireInside(folder, SINGLE)
    return withFiles(open => {
      const file = open(join(folder, SINGLE))
      const tensors: Placed = new Map()
      const metadata = placeTensors(file, tensors)
      return new PlacedCheckpoint(folder, [file], tensors, metadata)
    })
  }
  if (names.includes(INDEX)) return openShards(folder)
  if (names.some(name => PICKLES.has(extname(name).toLowerCase()))) throw pickleError(folder)
  const weights = names.filter(name => OPENERS.has(extname(name).toLowerCase())).sort()
  throw new ConfigError(`${folder} has neither ${SINGLE} nor ${INDEX}.`, {
    hint:
      weights.length === 0
        ? 'Give the path of a .safetensors file, or of a folder that holds a model.'
        : `Give the path of a file in it: ${weights
            .slice(0, 5)
            .map(name => show(name))
            .join(', ')}${weights.length > 5 ? ', …' : ''}.`,
  })
}

function openShards(folder: string): Checkpoint {
  return withFiles(open => {
    requireInside(folder, INDEX)
    const indexFile = open(join(folder, INDEX))
    if (indexFile.bytes > INDEX_BYTES_LIMIT) {
      throw new FormatError(
        `${indexFile.path} has ${indexFile.bytes} bytes, and at most ${INDEX_BYTES_LIMIT} are read.`,
      )
    }
    const json = new Uint8Array(indexFile.bytes)
    indexFile.read(0, json)
    const index = parseSafetensorsIndex(json, indexFile.path)

    const files = [indexFile]
    const tensors: Placed = new Map()
    let metadata: ReadonlyMap<string, string> = new Map()
    for (const shard of [...new Set(index.values())].sort()) {
      requireInside(folder, shard)
      const file = open(join(folder, shard))
      const own: Placed = new Map()
      const found = placeTensors(file, own)
      if (metadata.size === 0) metadata = found
      requireShardMatches(index, shard, new Set(own.keys()), indexFile.path)
      for (const [name, placed] of own) tensors.set(name, placed)
      files.push(file)
    }
    return new PlacedCheckpoint(folder, files, tensors, metadata)
  })
}

/** Reads and checks a header; returns the file's metadata. */
function placeTensors(file: OpenFile, tensors: Placed): ReadonlyMap<string, string> {
  const start = new Uint8Array(Math.min(8, file.bytes))
  file.read(0, start)
  const json = new Uint8Array(readHeaderLength(start, file.bytes, file.path))
  file.read(8, json)
  const header = parseSafetensorsHeader(json, file.bytes, file.path)
  for (const { name, dtype, shape, begin, end } of header.tensors.values()) {
    tensors.set(name, { info: { name, dtype, shape, byteLength: end - begin }, place: { file, begin } })
  }
  return header.metadata
}

/** Closes what `work` opened when it fails. */
export function withFiles<T>(work: (open: (path: string) => OpenFile) => T): T {
  const opened: OpenFile[] = []
  try {
    return work(path => {
      const file = new OpenFile(path)
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
 */
function requireInside(folder: string, name: string): void {
  const path = join(folder, name)
  const home = attempt(folder, () => realpathSync(folder))
  const real = attempt(path, () => realpathSync(path))
  const blobs = basename(dirname(home)) === 'snapshots' ? join(home, '..', '..', 'blobs') : undefined
  if (dirname(real) !== home && dirname(real) !== blobs) {
    throw new FormatError(`${path} is a link that leads out of its folder, to ${show(real)}.`, {
      hint: 'Give the path of that file itself, or copy it.',
    })
  }
}

function pickleError(path: string): ConfigError {
  return new ConfigError(
    `${path} holds pickled weights. Reading a pickle runs whatever code it carries, so it is not read.`,
    {
      hint: 'Convert the model to safetensors first.',
    },
  )
}

function statOf(path: string): Stats {
  return attempt(path, () => statSync(path))
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new ConfigError(`${path} does not exist.`, { cause })
    if (code !== undefined) throw new ConfigError(`${path} cannot be read (${code}).`, { cause })
    throw cause
  }
}
