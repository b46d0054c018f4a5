import { basename } from 'node:path'
import { BinaryWriter } from '@bufbuild/protobuf/wire'
import { ConfigError, FormatError, show } from '../errors.ts'
import type { FilePlace } from './checkpoint.ts'
import { MODEL_BYTES_LIMIT, type OnnxInitializer } from './onnx.ts'
import { DATA_LOCATION, ENTRY, GRAPH, MODEL, TENSOR } from './onnx-schema.ts'
import { onnxWeights } from './onnx-weights.ts'
import { type ByteRange, fieldsOf, WireType } from './onnx-wire.ts'
import type { OnnxTemplate } from './open-onnx.ts'
import type { OpenFile } from './opened-file.ts'
import type { TensorSpec } from './safetensors.ts'
import { AtomicFile, commitPair, writeAt } from './write-file.ts'

/**
 * An ONNX model with other weights: the graph of a template, byte by byte, its float initializers given anew. Above a size the weights go to
 * a second file beside the graph (external data), because protobuf ends at 2 GB.
 */

export interface OnnxWriteOptions {
  /** Most bytes of one file; a larger model is written as two. Default 2^31 - 1, the most that protobuf allows. */
  readonly singleFileBytes?: number
}

/** Values below this stay in the graph in any case: shapes, scales and other constants that runtimes look at early. */
const INSIDE_BYTES = 1_024
/** Large tensors begin where a page of memory does, so that a runtime can map them (onnx/docs/ExternalData.md). */
const PAGE_BYTES = 4_096
const COPY_BYTES = 1 << 20
const VALUE_FIELDS: ReadonlySet<number> = new Set([
  TENSOR.floatData,
  TENSOR.int32Data,
  TENSOR.int64Data,
  TENSOR.doubleData,
  TENSOR.uint64Data,
  TENSOR.rawData,
  TENSOR.externalData,
  TENSOR.dataLocation,
])

/** Values that the graph refers to: given by the caller, or copied from a file of the template. */
interface Values {
  readonly tensor: OnnxInitializer
  readonly bytes: number
  readonly from: { readonly file: OpenFile; readonly begin: number } | undefined
  /** The fields of its message that stay. */
  readonly kept: readonly Uint8Array[]
}

/** What the graph's file is made of, in order. */
type Piece = { readonly bytes: Uint8Array } | { readonly copied: ByteRange } | { readonly values: Values }

export class OnnxWriter {
  /** In the order in which bytes must be appended or room reserved. */
  readonly entries: readonly TensorSpec[]
  /** Absolute if `path` is. The graph first. */
  readonly files: readonly string[]
  readonly #model: AtomicFile
  readonly #data: AtomicFile | undefined
  /** Of the entries that have any bytes: how many, and where they go. */
  readonly #rooms: readonly { readonly bytes: number; readonly place: FilePlace }[]
  #next = 0 // of the rooms
  #done = 0 // bytes of that room that were appended

  /**
   * @param path of the graph; a second file is named after it, with `.data` at the end
   * @throws {ConfigError} when the second file exists: another model may need it
   * @throws {FormatError} when the graph alone is too large for a file
   * @throws {StorageError} when there is no room
   */
  constructor(path: string, template: OnnxTemplate, { singleFileBytes = MODEL_BYTES_LIMIT }: OnnxWriteOptions = {}) {
    const weights = onnxWeights(template.model)
    const all = [...template.model.initializers.values()]
      .filter(({ name }) => weights.has(name) || template.external.has(name))
      .map(tensor => valuesOf(template, tensor, weights.get(tensor.name)?.byteLength))
    const given = all.filter(({ from }) => from === undefined)
    this.entries = given.map(({ tensor: { name } }) => weights.get(name)!)

    const single = planPieces(template, all, new Map(), path)
    const offsets: ReadonlyMap<Values, number> = bytesOf(single) > singleFileBytes ? layOut(all) : new Map()
    const pieces = offsets.size === 0 ? single : planPieces(template, all, offsets, path)
    const bytes = bytesOf(pieces)
    if (bytes > MODEL_BYTES_LIMIT)
      throw new FormatError(
        `${path} would have ${bytes} bytes without its weights; an ONNX file has at most ${MODEL_BYTES_LIMIT}.`,
      )
    this.#data = offsets.size === 0 ? undefined : openData(path, offsets)
    this.files = this.#data === undefined ? [path] : [path, this.#data.path]
    try {
      this.#model = new AtomicFile(path, bytes)
    } catch (error) {
      this.#data?.abort()
      throw error
    }
    try {
      const places = new Map([...writePieces(pieces, template, this.#model), ...takeRoom(offsets, this.#data)])
      for (const values of all)
        if (values.from !== undefined) copyValues(values.from, values.bytes, places.get(values)!)
      this.#rooms = given
        .filter(values => values.bytes > 0)
        .map(values => ({ bytes: values.bytes, place: places.get(values)! }))
    } catch (error) {
      this.abort()
      throw error
    }
  }

  /** Appends bytes; the caller keeps to the order of `entries`. */
  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength; ) {
      const room = this.#room()
      const part = bytes.subarray(at, at + Math.min(room.bytes - this.#done, bytes.byteLength - at))
      writeAt({ ...room.place, begin: room.place.begin + this.#done }, part)
      at += part.byteLength
      this.#done += part.byteLength
      if (this.#done < room.bytes) continue
      this.#next++
      this.#done = 0
    }
  }

  /** As {@link AtomicFile.reserve}, for the whole next tensor that has any bytes. */
  reserve(bytes: number): FilePlace {
    const room = this.#room()
    if (this.#done !== 0 || bytes !== room.bytes)
      throw new RangeError(`${bytes} bytes are not those of the next initializer, ${room.bytes}.`)
    this.#next++
    return room.place
  }

  /** @throws {RangeError} when bytes are missing @throws {StorageError} when the disk does not take them */
  commit(): void {
    if (this.#next < this.#rooms.length)
      throw new RangeError(`${this.#rooms.length - this.#next} initializers of ${this.#model.path} have no values.`)
    if (this.#data === undefined) this.#model.commit()
    else commitPair(this.#data, this.#model)
  }

  /** Removes what was written. Harmless after `commit`. */
  abort(): void {
    this.#model.abort()
    this.#data?.abort()
  }

  #room() {
    const room = this.#rooms[this.#next]
    if (room === undefined) throw new RangeError('More bytes were appended than the initializers have.')
    return room
  }
}

/** @param offsets of the values that go to the second file */
function planPieces(
  { model, bytes }: OnnxTemplate,
  all: readonly Values[],
  offsets: ReadonlyMap<Values, number>,
  path: string,
): readonly Piece[] {
  const graph: Piece[] = []
  let from = model.graph.start
  for (const values of all) {
    const { field } = values.tensor
    graph.push({ copied: { start: from, end: field.start } })
    const offset = offsets.get(values)
    if (offset === undefined) graph.push({ bytes: insideHead(values) }, { values })
    else graph.push({ bytes: externalField(values, offset, path) })
    from = field.end
  }
  graph.push({ copied: { start: from, end: model.graph.end } })
  // A length beyond 32 bits is never written: the weights go to a second file then.
  const length = Math.min(bytesOf(graph), MODEL_BYTES_LIMIT)
  return [
    { copied: { start: 0, end: model.graphField.start } },
    { bytes: new BinaryWriter().tag(MODEL.graph, WireType.LengthDelimited).uint32(length).finish() },
    ...graph,
    { copied: { start: model.graph.end, end: bytes.byteLength } },
  ]
}

/** Writes all but the values. @returns where they go */
function* writePieces(
  pieces: readonly Piece[],
  template: OnnxTemplate,
  to: AtomicFile,
): Generator<[Values, FilePlace]> {
  for (const piece of pieces) {
    if ('bytes' in piece) to.append(piece.bytes)
    else if ('values' in piece) yield [piece.values, to.reserve(piece.values.bytes)]
    else {
      const { start, end } = piece.copied
      for (let at = start; at < end; at += COPY_BYTES)
        to.append(template.bytes.subarray(at, Math.min(at + COPY_BYTES, end)))
    }
  }
}

function openData(path: string, offsets: ReadonlyMap<Values, number>): AtomicFile {
  const data = dataPath(path)
  if (/[\\:\p{Cc}]/u.test(basename(data)))
    throw new ConfigError(`${show(data)} cannot be named in ${path}: readers refuse such names.`)
  const [last, offset] = [...offsets].at(-1)!
  return new AtomicFile(data, offset + last.bytes, 'refuse')
}

/** In the second file; what lies between stays a hole, which reads as zeros. */
function* takeRoom(offsets: ReadonlyMap<Values, number>, data: AtomicFile | undefined): Generator<[Values, FilePlace]> {
  for (const [values, offset] of offsets) {
    data!.reserve(offset - data!.written)
    yield [values, data!.reserve(values.bytes)]
  }
}

function copyValues({ file, begin }: NonNullable<Values['from']>, bytes: number, to: FilePlace): void {
  for (let at = 0; at < bytes; at += COPY_BYTES) {
    const part = new Uint8Array(Math.min(COPY_BYTES, bytes - at))
    file.read(begin + at, part)
    writeAt({ ...to, begin: to.begin + at }, part)
  }
}

function dataPath(path: string): string {
  return `${path}.data`
}

function valuesOf(template: OnnxTemplate, tensor: OnnxInitializer, weightBytes: number | undefined): Values {
  const kept: Uint8Array[] = []
  for (const { number, whole } of fieldsOf(template.bytes, tensor.message, template.path))
    if (!VALUE_FIELDS.has(number)) kept.push(template.bytes.subarray(whole.start, whole.end).slice())
  if (weightBytes !== undefined) return { tensor, bytes: weightBytes, from: undefined, kept }
  const from = template.external.get(tensor.name)!
  return { tensor, bytes: from.bytes, from, kept }
}

/** Where each of the values begins in the second file; those that stay in the graph have no place in it. */
function layOut(all: readonly Values[]): ReadonlyMap<Values, number> {
  const offsets = new Map<Values, number>()
  let end = 0
  for (const values of all) {
    if (values.bytes < INSIDE_BYTES) continue
    const begin = Math.ceil(end / PAGE_BYTES) * PAGE_BYTES
    offsets.set(values, begin)
    end = begin + values.bytes
  }
  return offsets
}

/** The initializer's field up to its values. */
function insideHead({ kept, bytes }: Values): Uint8Array {
  const head = new BinaryWriter()
    .tag(TENSOR.rawData, WireType.LengthDelimited)
    .uint32(Math.min(bytes, MODEL_BYTES_LIMIT))
    .finish()
  const length = kept.reduce((sum, field) => sum + field.byteLength, head.byteLength + bytes)
  const writer = new BinaryWriter()
    .tag(GRAPH.initializer, WireType.LengthDelimited)
    .uint32(Math.min(length, MODEL_BYTES_LIMIT))
  for (const field of [...kept, head]) writer.raw(field)
  return writer.finish()
}

/** The whole field of an initializer whose values are in the second file. */
function externalField({ kept, bytes }: Values, offset: number, path: string): Uint8Array {
  const writer = new BinaryWriter().tag(GRAPH.initializer, WireType.LengthDelimited).fork()
  for (const field of kept) writer.raw(field)
  const entries = { location: basename(dataPath(path)), offset: String(offset), length: String(bytes) }
  for (const [key, value] of Object.entries(entries)) {
    writer.tag(TENSOR.externalData, WireType.LengthDelimited).fork()
    writer.tag(ENTRY.key, WireType.LengthDelimited).string(key)
    writer.tag(ENTRY.value, WireType.LengthDelimited).string(value).join()
  }
  return writer.tag(TENSOR.dataLocation, WireType.Varint).int32(DATA_LOCATION.external).join().finish()
}

function bytesOf(pieces: readonly Piece[]): number {
  let sum = 0
  for (const piece of pieces) {
    if ('bytes' in piece) sum += piece.bytes.byteLength
    else if ('values' in piece) sum += piece.values.bytes
    else sum += piece.copied.end - piece.copied.start
  }
  return sum
}
