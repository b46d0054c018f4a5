import { FormatError, show } from '../errors.ts'
import { outsideValues, refuseOutsideValues } from './onnx-outside.ts'
import {
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
/** A hundred times the largest published graphs; bounds the memory of a hostile file. */
export const INITIALIZER_COUNT_LIMIT = 1_000_000
/** Names are shown, indexed and hashed; real ones are below 200 bytes. */
export const NAME_BYTES_LIMIT = 1_024
/** More than any runtime takes. */
export const RANK_LIMIT = 16

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
  /** Little-endian elements in one piece; `undefined` where they are spread over typed fields. */
  readonly values: ByteRange | undefined
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

const WHOLE = (bytes: Uint8Array): ByteRange => ({ start: 0, end: bytes.byteLength })

/**
 * @param file names the file in messages
 * @throws {FormatError} when it is not a model, breaks a limit, or keeps values in other files
 */
export function parseOnnxModel(bytes: Uint8Array, file: string): OnnxModel {
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
  bytes: Uint8Array,
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
        inputs.push(parseValue(bytes, field, file))
        break
      case GRAPH.output:
        outputs.push(parseValue(bytes, field, file))
        break
    }
  }
  return { inputs, outputs, initializers }
}

function parseInitializer(bytes: Uint8Array, field: Field, file: string): OnnxInitializer {
  requireWire(field, WireType.LengthDelimited, file)
  const fields = fieldsOf(bytes, field.value, file)
  const nameField = fields.find(part => part.number === TENSOR.name)
  const name = nameField === undefined ? '' : readText(bytes, nameField, file, NAME_BYTES_LIMIT)
  if (name === '') throw new FormatError(`${file} has an initializer without a name at byte ${field.whole.start}.`)
  const where = `${file}: initializer ${show(name)}`

  const shape: number[] = []
  let type: number | undefined
  const values: Field[] = []
  for (const part of fields) {
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
        throw outsideValues(where)
      case TENSOR.dataLocation:
        if (readInteger(bytes, part, where) !== 0) throw outsideValues(where)
        break
      case TENSOR.rawData:
      case TENSOR.floatData:
      case TENSOR.int32Data:
      case TENSOR.int64Data:
      case TENSOR.doubleData:
      case TENSOR.uint64Data:
        values.push(part)
        break
    }
  }
  const raw = values.filter(part => part.number === TENSOR.rawData)
  if (raw.length > 1 || (raw.length === 1 && values.length > 1))
    throw new FormatError(`${where} has its values more than once.`)
  const dtype = dtypeOf(type ?? 0)
  return {
    name,
    dtype,
    shape,
    field: field.whole,
    message: field.value,
    values: contiguousValues(values, dtype, elementCount(shape, where), where),
  }
}

/** raw_data, and packed float or double fields, are the elements themselves, little-endian. */
function contiguousValues(
  values: readonly Field[],
  dtype: OnnxDtype | undefined,
  count: number,
  where: string,
): ByteRange | undefined {
  const only = values.length === 1 ? values[0]! : undefined
  const isRaw = only?.number === TENSOR.rawData
  const isPacked =
    only?.wire === WireType.LengthDelimited &&
    ((dtype === 'float32' && only.number === TENSOR.floatData) ||
      (dtype === 'float64' && only.number === TENSOR.doubleData))
  if (isRaw) requireWire(only, WireType.LengthDelimited, where)
  if (only === undefined || !(isRaw || isPacked)) return undefined
  const elementBytes = dtype === undefined ? undefined : DTYPE_BYTES[dtype]
  const found = only.value.end - only.value.start
  if (elementBytes !== undefined && found !== count * elementBytes)
    throw new FormatError(
      `${where} needs ${count * elementBytes} bytes for ${count} ${dtype} elements, got ${found}.`,
      {
        hint: 'The file is damaged: export or fetch it again.',
      },
    )
  return only.value
}

/** product(shape). @throws {FormatError} on negative or impossibly many elements. */
export function elementCount(shape: readonly number[], where: string): number {
  let count = 1
  for (const dim of shape) {
    if (dim < 0) throw new FormatError(`${where} has the negative dimension ${dim}.`)
    count *= dim
  }
  if (count > MODEL_BYTES_LIMIT)
    throw new FormatError(`${where} has the shape [${shape.join(', ')}], more elements than an ONNX file can hold.`)
  return count
}

function parseValue(bytes: Uint8Array, field: Field, file: string): OnnxValue {
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
        const dimensions = messages(bytes, inner, SHAPE.dimension, file)
        if (dimensions.length > RANK_LIMIT)
          throw new FormatError(
            `${file}: ${show(name)} has ${dimensions.length} dimensions; at most ${RANK_LIMIT} are read.`,
          )
        shape = dimensions.map(dimension => parseDimension(bytes, dimension, file))
      }
    }
  }
  return { name, dtype, shape }
}

function parseDimension(bytes: Uint8Array, dimension: Field, file: string): number | string | undefined {
  for (const part of fieldsOf(bytes, dimension.value, file)) {
    if (part.number === DIMENSION.value) return readInteger(bytes, part, file)
    if (part.number === DIMENSION.parameter) return readText(bytes, part, file, NAME_BYTES_LIMIT)
  }
  return undefined
}

/** The fields with that number inside a message, each itself a message. */
function messages(bytes: Uint8Array, parent: Field, number: number, file: string): readonly Field[] {
  requireWire(parent, WireType.LengthDelimited, file)
  const found = fieldsOf(bytes, parent.value, file).filter(field => field.number === number)
  for (const field of found) requireWire(field, WireType.LengthDelimited, file)
  return found
}
