import { FormatError, show } from '../errors.ts'
import { type ExternalValues, parseExternalValues, readExternalEntry } from './onnx-external.ts'
import { refuseOutsideValues } from './onnx-outside.ts'
import {
  DATA_LOCATION,
  DIMENSION,
  DTYPE_BYTES,
  dtypeOf,
  GRAPH,
  MODEL,
  type OnnxDtype,
  SHAPE,
  TENSOR,
  TENSOR_TYPE,
  TYPE,
  VALUE_INFO,
} from './onnx-schema.ts'
import {
  type ByteRange,
  type ByteSource,
  type Field,
  fieldsOf,
  readInteger,
  readIntegers,
  readText,
  requireWire,
  WireType,
} from './onnx-wire.ts'

/**
 * The ONNX format (https://github.com/onnx/onnx, onnx.proto3) as far as merging needs it: which inputs, outputs and initializers
 * a graph has, and where their bytes lie. Nothing is decoded that is not asked for, so a rewritten model keeps every byte
 * that was not its target, fields of newer versions included.
 */

/** Protobuf's own limit. */
export const MODEL_BYTES_LIMIT = 2 ** 31 - 1
/** Ten times the largest published graphs; bounds the memory of a hostile file. */
export const INITIALIZER_COUNT_LIMIT = 200_000
/** Inputs and outputs: old files list their initializers as inputs too. */
export const VALUE_COUNT_LIMIT = 200_000
/** Names are shown, indexed and hashed; real ones are below 200 bytes. */
export const NAME_BYTES_LIMIT = 1_024
/** More than any runtime takes. */
export const RANK_LIMIT = 16
/** Their bytes are still safe integers. */
const EXTERNAL_ELEMENTS_LIMIT = 2 ** 50

/** A graph input or output. A symbolic or unknown dimension is a word or `undefined`. */
export interface OnnxValue {
  readonly name: string
  readonly dtype: OnnxDtype | undefined // undefined: not a tensor, or a type that is not read here
  readonly shape: readonly (number | string | undefined)[] | undefined // undefined: any rank
}

/** A constant of the main graph, by its place in the file. */
export interface OnnxInitializer {
  readonly name: string
  readonly dtype: OnnxDtype | undefined
  readonly shape: readonly number[]
  /** The field of the graph that holds the tensor, tag included. */
  readonly field: ByteRange
  /** The tensor's message. */
  readonly message: ByteRange
  /** Little-endian elements in one piece; `undefined` where they are spread over typed fields, or in another file. */
  readonly values: ByteRange | undefined
  /** Where its values are in another file. */
  readonly external: ExternalValues | undefined
}

export interface OnnxModel {
  readonly irVersion: number
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  /** In file order. */
  readonly initializers: ReadonlyMap<string, OnnxInitializer>
  /** The graph's message, and the field of the model that holds it. */
  readonly graph: ByteRange
  readonly graphField: ByteRange
}

const WHOLE = (bytes: ByteSource): ByteRange => ({ start: 0, end: bytes.byteLength })

/**
 * Reads no payloads: of a large file on disk only the parts between them.
 * @param file names the file in messages
 * @throws {FormatError} when it is not a model, breaks a limit, or names other files elsewhere than in an initializer
 */
export function parseOnnxModel(bytes: ByteSource, file: string): OnnxModel {
  if (bytes.byteLength > MODEL_BYTES_LIMIT)
    throw new FormatError(`${file} has ${bytes.byteLength} bytes; an ONNX file has at most ${MODEL_BYTES_LIMIT}.`)
  let irVersion: number | undefined
  let graph: Field | undefined
  for (const field of fieldsOf(bytes, WHOLE(bytes), file)) {
    if (field.number === MODEL.irVersion) irVersion = readInteger(bytes, field, file)
    else if (field.number === MODEL.graph) {
      requireWire(field, WireType.LengthDelimited, file)
      if (graph !== undefined) throw new FormatError(`${file} has two graphs; a model has one.`)
      graph = field
    } else if (field.number === MODEL.functions || field.number === MODEL.trainingInfo) {
      refuseOutsideValues(bytes, field, field.number === MODEL.functions ? 'function' : 'training', file, 0)
    }
  }
  if (irVersion === undefined || graph === undefined)
    throw new FormatError(`${file} is no ONNX model: it has no ${graph === undefined ? 'graph' : 'IR version'}.`, {
      hint: 'Give a file that was exported as .onnx.',
    })
  return { irVersion, graph: graph.value, graphField: graph.whole, ...parseGraph(bytes, graph.value, file) }
}

function parseGraph(
  bytes: ByteSource,
  range: ByteRange,
  file: string,
): Pick<OnnxModel, 'inputs' | 'outputs' | 'initializers'> {
  const inputs: OnnxValue[] = []
  const outputs: OnnxValue[] = []
  const initializers = new Map<string, OnnxInitializer>()
  for (const field of fieldsOf(bytes, range, file)) {
    switch (field.number) {
      case GRAPH.node:
        refuseOutsideValues(bytes, field, 'node', file, 0)
        break
      case GRAPH.initializer: {
        const tensor = parseInitializer(bytes, field, file)
        if (initializers.has(tensor.name))
          throw new FormatError(`${file} has two initializers named ${show(tensor.name)}.`)
        initializers.set(tensor.name, tensor)
        if (initializers.size > INITIALIZER_COUNT_LIMIT)
          throw new FormatError(`${file} has more than ${INITIALIZER_COUNT_LIMIT} initializers.`)
        break
      }
      case GRAPH.sparseInitializer:
        throw new FormatError(`${file} has sparse initializers, which are not supported.`, {
          hint: 'Export the model with dense weights.',
        })
      case GRAPH.input:
      case GRAPH.output: {
        const values = field.number === GRAPH.input ? inputs : outputs
        values.push(parseValue(bytes, field, file))
        if (values.length > VALUE_COUNT_LIMIT)
          throw new FormatError(`${file} has more than ${VALUE_COUNT_LIMIT} inputs or outputs.`)
        break
      }
    }
  }
  return { inputs, outputs, initializers }
}

function parseInitializer(bytes: ByteSource, field: Field, file: string): OnnxInitializer {
  requireWire(field, WireType.LengthDelimited, file)
  const name = initializerName(bytes, field, file)
  const where = `${file}: initializer ${show(name)}`

  const shape: number[] = []
  let type = 0
  let location: number = DATA_LOCATION.inside
  let inside: Inside = { fields: 0, raw: 0, bytes: 0, only: undefined }
  const entries: Parameters<typeof readExternalEntry>[3] = new Map()
  for (const part of fieldsOf(bytes, field.value, file)) {
    switch (part.number) {
      case TENSOR.dims:
        readIntegers(bytes, part, where, shape, RANK_LIMIT)
        break
      case TENSOR.dataType:
        type = readInteger(bytes, part, where)
        break
      case TENSOR.segment:
        throw new FormatError(`${where} is stored in segments, which are not supported.`)
      case TENSOR.externalData:
        readExternalEntry(bytes, part, where, entries)
        break
      case TENSOR.dataLocation:
        location = readInteger(bytes, part, where)
        break
      case TENSOR.rawData:
      case TENSOR.floatData:
      case TENSOR.int32Data:
      case TENSOR.int64Data:
      case TENSOR.doubleData:
      case TENSOR.uint64Data:
        inside = {
          fields: inside.fields + 1,
          raw: inside.raw + (part.number === TENSOR.rawData ? 1 : 0),
          bytes: inside.bytes + part.value.end - part.value.start,
          only: inside.fields === 0 ? part : undefined,
        }
        break
    }
  }
  if (location !== DATA_LOCATION.inside && location !== DATA_LOCATION.external)
    throw new FormatError(`${where} has the data location ${location}; 0 (inside) and 1 (external) are known.`)
  const isExternal = location === DATA_LOCATION.external
  if (!isExternal && entries.size > 0)
    throw new FormatError(`${where} names another file for its values, and says that they are inside.`)
  if (inside.raw > 1 || (inside.raw === 1 && inside.fields > 1) || (isExternal && inside.fields > 0))
    throw new FormatError(`${where} has its values more than once.`)
  const dtype = dtypeOf(type)
  const count = elementCount(shape, where, isExternal ? EXTERNAL_ELEMENTS_LIMIT : undefined)
  const external = isExternal ? parseExternalValues(entries, where) : undefined
  // A shape that the file cannot hold, before anybody takes memory for it: numbers of variable length take a byte at least.
  const leastBytes = dtype === 'float32' ? 4 : dtype === 'float64' ? 8 : 1
  if (!isExternal && inside.bytes < count * leastBytes) requireBytes(inside.bytes, dtype, count, where)
  if (external?.length !== undefined) requireBytes(external.length, dtype, count, where)
  return {
    name,
    dtype,
    shape,
    field: field.whole,
    message: field.value,
    values: contiguousValues(inside.only, dtype, count, where),
    external,
  }
}

/** The fields that hold values: how many, how many of them raw, their bytes, and the field if there is one. */
interface Inside {
  readonly fields: number
  readonly raw: number
  readonly bytes: number
  readonly only: Field | undefined
}

/** First of all, so that what is wrong with the rest is told of it. */
function initializerName(bytes: ByteSource, field: Field, file: string): string {
  for (const part of fieldsOf(bytes, field.value, file)) {
    if (part.number !== TENSOR.name) continue
    const name = readText(bytes, part, file, NAME_BYTES_LIMIT)
    if (name !== '') return name
    break
  }
  throw new FormatError(`${file} has an initializer without a name at byte ${field.whole.start}.`)
}

/** raw_data, and packed float or double fields, are the elements themselves, little-endian. */
function contiguousValues(
  only: Field | undefined,
  dtype: OnnxDtype | undefined,
  count: number,
  where: string,
): ByteRange | undefined {
  const isRaw = only?.number === TENSOR.rawData
  const isPacked =
    only?.wire === WireType.LengthDelimited &&
    ((dtype === 'float32' && only.number === TENSOR.floatData) ||
      (dtype === 'float64' && only.number === TENSOR.doubleData))
  if (isRaw) requireWire(only, WireType.LengthDelimited, where)
  if (only === undefined || !(isRaw || isPacked)) return undefined
  requireBytes(only.value.end - only.value.start, dtype, count, where)
  return only.value
}

function requireBytes(found: number, dtype: OnnxDtype | undefined, count: number, where: string): void {
  const elementBytes = dtype === undefined ? undefined : DTYPE_BYTES[dtype]
  if (elementBytes !== undefined && found !== count * elementBytes)
    throw new FormatError(
      `${where} needs ${count * elementBytes} bytes for ${count} ${dtype} elements, got ${found}.`,
      { hint: 'The file is damaged: export or fetch it again.' },
    )
}

/** product(shape). @throws {FormatError} on negative or impossibly many elements. */
export function elementCount(shape: readonly number[], where: string, limit: number = MODEL_BYTES_LIMIT): number {
  let count = 1
  for (const dim of shape) {
    if (dim < 0) throw new FormatError(`${where} has the negative dimension ${dim}.`)
    count *= dim
  }
  if (count > limit)
    throw new FormatError(`${where} has the shape [${shape.join(', ')}], more elements than a file can hold.`)
  return count
}

function parseValue(bytes: ByteSource, field: Field, file: string): OnnxValue {
  requireWire(field, WireType.LengthDelimited, file)
  let name = ''
  let dtype: OnnxDtype | undefined
  let shape: (number | string | undefined)[] | undefined
  for (const part of fieldsOf(bytes, field.value, file)) {
    if (part.number === VALUE_INFO.name) name = readText(bytes, part, file, NAME_BYTES_LIMIT)
    if (part.number !== VALUE_INFO.type) continue
    for (const tensor of messages(bytes, part, TYPE.tensor, file)) {
      for (const inner of fieldsOf(bytes, tensor.value, file)) {
        if (inner.number === TENSOR_TYPE.elementType) dtype = dtypeOf(readInteger(bytes, inner, file))
        if (inner.number !== TENSOR_TYPE.shape) continue
        shape = []
        for (const dimension of messages(bytes, inner, SHAPE.dimension, file)) {
          shape.push(parseDimension(bytes, dimension, file))
          if (shape.length > RANK_LIMIT)
            throw new FormatError(`${file}: ${show(name)} has more than ${RANK_LIMIT} dimensions.`)
        }
      }
    }
  }
  return { name, dtype, shape }
}

function parseDimension(bytes: ByteSource, dimension: Field, file: string): number | string | undefined {
  for (const part of fieldsOf(bytes, dimension.value, file)) {
    if (part.number === DIMENSION.value) return readInteger(bytes, part, file)
    if (part.number === DIMENSION.parameter) return readText(bytes, part, file, NAME_BYTES_LIMIT)
  }
  return undefined
}

/** The fields with that number inside a message, each itself a message. */
function* messages(bytes: ByteSource, parent: Field, number: number, file: string): Generator<Field> {
  requireWire(parent, WireType.LengthDelimited, file)
  for (const field of fieldsOf(bytes, parent.value, file)) {
    if (field.number !== number) continue
    requireWire(field, WireType.LengthDelimited, file)
    yield field
  }
}
