import { dirname } from 'node:path'
import { FormatError, show } from '../errors.ts'
import type { Checkpoint, TensorInfo } from './checkpoint.ts'
import { MODEL_BYTES_LIMIT, type OnnxInitializer, type OnnxModel, parseOnnxModel } from './onnx.ts'
import { type ExternalRange, type ExternalValues, requireApart } from './onnx-external.ts'
import { takeInExternal } from './onnx-rewrite.ts'
import { DTYPE_BYTES } from './onnx-schema.ts'
import { gatherElements, type OnnxWeight, onnxWeights } from './onnx-weights.ts'
import type { ByteSource } from './onnx-wire.ts'
import { FileWindow, type OpenFile, openNamed, withFiles } from './opened-file.ts'
import { PlacedCheckpoint, type TensorPlace } from './placed-checkpoint.ts'

/** ONNX models on disk. Of the file only what lies between the weights is read, of files with external data nothing, before it is asked for. */

type Open = (path: string, flags?: number) => OpenFile

/**
 * The float initializers of a graph as a checkpoint.
 * @throws {ConfigError | FormatError}
 */
export function openOnnx(path: string): Checkpoint {
  return withFiles(open => {
    const { file, bytes, model } = openModel(path, open)
    const external = new ExternalFiles(path, open)
    const tensors = new Map<string, { info: TensorInfo; place: TensorPlace }>()
    for (const weight of onnxWeights(model).values()) {
      const { name, dtype, shape, byteLength } = weight
      tensors.set(name, { info: { name, dtype, shape, byteLength }, place: placeOf(weight, file, bytes, external) })
    }
    external.requireApart()
    return new PlacedCheckpoint(path, [file, ...external.files], tensors)
  })
}

/** A model as the pattern of another with the same graph. */
export interface OnnxTemplate {
  readonly path: string
  readonly bytes: ByteSource
  readonly model: OnnxModel
  /** By name, where the values of an initializer in another file are, and how many bytes. */
  readonly external: ReadonlyMap<string, { readonly file: OpenFile; readonly begin: number; readonly bytes: number }>
  readonly close: () => void
}

/** @throws {ConfigError | FormatError} */
export function openOnnxTemplate(path: string): OnnxTemplate {
  return withFiles(open => {
    const { file, bytes, model } = openModel(path, open)
    const files = new ExternalFiles(path, open)
    const external = new Map<string, { file: OpenFile; begin: number; bytes: number }>()
    for (const tensor of model.initializers.values()) {
      if (tensor.external === undefined) continue
      const needed = externalBytes(tensor.external, tensor, path)
      external.set(tensor.name, { ...files.place(tensor.name, tensor.external, needed), bytes: needed })
    }
    const close = () => {
      for (const each of [file, ...files.files]) each.close()
    }
    return { path, bytes, model, external, close }
  })
}

function openModel(path: string, open: Open): { file: OpenFile; bytes: FileWindow; model: OnnxModel } {
  const file = open(path)
  if (file.bytes > MODEL_BYTES_LIMIT)
    throw new FormatError(`${path} has ${file.bytes} bytes; an ONNX file has at most ${MODEL_BYTES_LIMIT}.`)
  const bytes = new FileWindow(file)
  return { file, bytes, model: parseOnnxModel(bytes, path) }
}

function placeOf(
  { name, dtype, byteLength, place }: OnnxWeight,
  file: OpenFile,
  bytes: FileWindow,
  external: ExternalFiles,
): TensorPlace {
  switch (place.kind) {
    case 'inside':
      return { file, begin: place.range.start }
    case 'external':
      return external.place(name, place.values, byteLength)
    case 'scattered':
      return { gather: () => gatherElements(bytes, place.tensor, dtype, file.path) }
  }
}

/**
 * A model's bytes with the values that it keeps in other files taken in, except those of the named initializers.
 * @param path of the model: the other files must be in its folder
 * @throws {ConfigError | FormatError}
 */
export function takeInFiles(bytes: Uint8Array, path: string, except: ReadonlySet<string>): Uint8Array {
  return withFiles(open => {
    const external = new ExternalFiles(path, open)
    const taken = takeInExternal(bytes, except, (values, tensor) => readValues(external, values, tensor, path), path)
    for (const file of external.files) file.close()
    return taken
  })
}

function readValues(
  external: ExternalFiles,
  values: ExternalValues,
  tensor: OnnxInitializer,
  path: string,
): Uint8Array {
  const bytes = externalBytes(values, tensor, path)
  const { file, begin } = external.place(tensor.name, values, bytes) // before anything of that size is allocated
  const read = new Uint8Array(bytes)
  file.read(begin, read)
  return read
}

function externalBytes({ length }: ExternalValues, { name, dtype, shape }: OnnxInitializer, path: string): number {
  const size = dtype === undefined ? undefined : DTYPE_BYTES[dtype]
  const needed = length ?? (size === undefined ? undefined : shape.reduce((product, dim) => product * dim, size))
  if (needed !== undefined) return needed
  throw new FormatError(`${path}: initializer ${show(name)} is of a type without a fixed size, and needs a length.`)
}

/** The files with external data of one model, each opened once. */
export class ExternalFiles {
  readonly #path: string
  readonly #open: Open
  readonly #files = new Map<string, { readonly file: OpenFile; readonly ranges: ExternalRange[] }>()

  /** @param path of the model: its folder is where the files must be */
  constructor(path: string, open: Open) {
    this.#path = path
    this.#open = open
  }

  get files(): readonly OpenFile[] {
    return [...this.#files.values()].map(({ file }) => file)
  }

  /**
   * Where the values of an initializer are.
   * @param needed bytes by its shape
   * @throws {ConfigError | FormatError} when the file is elsewhere, or too short
   */
  place(name: string, { location, offset }: ExternalValues, needed: number): { file: OpenFile; begin: number } {
    const key = location.join('/')
    let known = this.#files.get(key)
    if (known === undefined) {
      known = { file: openNamed(dirname(this.#path), location, this.#open), ranges: [] }
      this.#files.set(key, known)
    }
    const { file, ranges } = known
    if (offset + needed > file.bytes)
      throw new FormatError(
        `${this.#path}: initializer ${show(name)} needs bytes ${offset} to ${offset + needed} of ${show(key)}, which has ${file.bytes}.`,
        { hint: 'Fetch both files again.' },
      )
    ranges.push({ name, begin: offset, end: offset + needed })
    return { file, begin: offset }
  }

  /** @throws {FormatError} when two initializers share a part of a file */
  requireApart(): void {
    for (const { file, ranges } of this.#files.values()) requireApart(ranges, file.path)
  }
}
