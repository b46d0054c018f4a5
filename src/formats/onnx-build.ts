import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import {
  ATTRIBUTE,
  ATTRIBUTE_TYPE,
  DIMENSION,
  dtypeNumber,
  GRAPH,
  MODEL,
  NODE,
  type OnnxDtype,
  OPSET,
  SHAPE,
  TENSOR,
  TENSOR_TYPE,
  TYPE,
  VALUE_INFO,
} from './onnx-schema.ts'

/** A graph input or output. A word in `shape` is a symbolic dimension, such as `batch`. */
export interface OnnxValueSpec {
  readonly name: string
  readonly dtype?: OnnxDtype // default float32
  readonly shape: readonly (number | string)[]
}

/** An attribute with its type, which a plain number would leave open. */
export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }

export interface OnnxNodeSpec {
  /** Operator of the default domain: `Gemm`, `Relu`, `Conv`, ... */
  readonly op: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>
}

/** A constant; its element type follows from the array. Row-major, product(shape) elements. */
export interface OnnxInitializerSpec {
  readonly name: string
  readonly shape: readonly number[]
  readonly data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array
}

export interface OnnxGraphSpec {
  readonly name?: string
  readonly inputs: readonly OnnxValueSpec[]
  readonly outputs: readonly OnnxValueSpec[]
  readonly nodes: readonly OnnxNodeSpec[]
  readonly initializers: readonly OnnxInitializerSpec[]
  readonly opset?: number // default 17
}

// Old enough for every runtime of the last years, new enough that initializers need not be repeated as inputs (IR >= 4).
const IR_VERSION = 8
const OPSET_VERSION = 17

/**
 * A whole model as ONNX bytes.
 * @throws {RangeError} when an initializer's array and shape disagree.
 */
export function buildOnnxModel(spec: OnnxGraphSpec): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(MODEL.irVersion, WireType.Varint).int64(IR_VERSION)
  message(writer, MODEL.graph, () => {
    for (const node of spec.nodes) message(writer, GRAPH.node, () => writeNode(writer, node))
    text(writer, GRAPH.name, spec.name ?? 'graph')
    for (const tensor of spec.initializers) message(writer, GRAPH.initializer, () => writeTensor(writer, tensor))
    for (const value of spec.inputs) message(writer, GRAPH.input, () => writeValueInfo(writer, value))
    for (const value of spec.outputs) message(writer, GRAPH.output, () => writeValueInfo(writer, value))
  })
  message(writer, MODEL.opsetImport, () => {
    text(writer, OPSET.domain, '')
    writer.tag(OPSET.version, WireType.Varint).int64(spec.opset ?? OPSET_VERSION)
  })
  return writer.finish()
}

/** The bytes of a `GraphProto.input` field (tag and length included), for adding an input to an existing graph. */
export function encodeGraphInput(value: OnnxValueSpec): Uint8Array {
  const writer = new BinaryWriter()
  message(writer, GRAPH.input, () => writeValueInfo(writer, value))
  return writer.finish()
}

/** The bytes of a `GraphProto.output` field that names a value of the graph; a runtime finds its type by itself. */
export function encodeGraphOutput(name: string): Uint8Array {
  const writer = new BinaryWriter()
  message(writer, GRAPH.output, () => text(writer, VALUE_INFO.name, name))
  return writer.finish()
}

/** The bytes of a `GraphProto.initializer` field (tag and length included), its values in `raw_data`. */
export function encodeInitializer(tensor: OnnxInitializerSpec): Uint8Array {
  const writer = new BinaryWriter()
  message(writer, GRAPH.initializer, () => writeTensor(writer, tensor))
  return writer.finish()
}

function message(writer: BinaryWriter, field: number, body: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork()
  body()
  writer.join()
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value)
}

function writeNode(writer: BinaryWriter, node: OnnxNodeSpec): void {
  for (const name of node.inputs) text(writer, NODE.input, name)
  for (const name of node.outputs) text(writer, NODE.output, name)
  text(writer, NODE.opType, node.op)
  for (const [name, value] of Object.entries(node.attributes ?? {})) {
    message(writer, NODE.attribute, () => {
      text(writer, ATTRIBUTE.name, name)
      writeAttribute(writer, value)
    })
  }
}

function writeAttribute(writer: BinaryWriter, value: OnnxAttribute): void {
  const type = (kind: keyof typeof ATTRIBUTE_TYPE): void => {
    writer.tag(ATTRIBUTE.type, WireType.Varint).int32(ATTRIBUTE_TYPE[kind])
  }
  if ('int' in value) {
    writer.tag(ATTRIBUTE.int, WireType.Varint).int64(value.int)
    type('int')
  } else if ('float' in value) {
    writer.tag(ATTRIBUTE.float, WireType.Bit32).float(value.float)
    type('float')
  } else if ('string' in value) {
    text(writer, ATTRIBUTE.string, value.string)
    type('string')
  } else if ('ints' in value) {
    for (const int of value.ints) writer.tag(ATTRIBUTE.ints, WireType.Varint).int64(int)
    type('ints')
  } else {
    for (const float of value.floats) writer.tag(ATTRIBUTE.floats, WireType.Bit32).float(float)
    type('floats')
  }
}

function writeTensor(writer: BinaryWriter, tensor: OnnxInitializerSpec): void {
  const count = tensor.shape.reduce((product, dim) => product * dim, 1)
  if (tensor.data.length !== count)
    throw new RangeError(
      `Initializer "${tensor.name}" of shape [${tensor.shape}] needs ${count} elements, got ${tensor.data.length}.`,
    )
  for (const dim of tensor.shape) writer.tag(TENSOR.dims, WireType.Varint).int64(dim)
  writer.tag(TENSOR.dataType, WireType.Varint).int32(dtypeNumber(arrayDtype(tensor.data)))
  text(writer, TENSOR.name, tensor.name)
  const { buffer, byteOffset, byteLength } = tensor.data
  writer.tag(TENSOR.rawData, WireType.LengthDelimited).bytes(new Uint8Array(buffer, byteOffset, byteLength))
}

function arrayDtype(data: OnnxInitializerSpec['data']): OnnxDtype {
  if (data instanceof Float32Array) return 'float32'
  if (data instanceof Float64Array) return 'float64'
  if (data instanceof Int32Array) return 'int32'
  if (data instanceof BigInt64Array) return 'int64'
  return 'uint8'
}

function writeValueInfo(writer: BinaryWriter, value: OnnxValueSpec): void {
  text(writer, VALUE_INFO.name, value.name)
  message(writer, VALUE_INFO.type, () =>
    message(writer, TYPE.tensor, () => {
      writer.tag(TENSOR_TYPE.elementType, WireType.Varint).int32(dtypeNumber(value.dtype ?? 'float32'))
      message(writer, TENSOR_TYPE.shape, () => {
        for (const dim of value.shape) {
          message(writer, SHAPE.dimension, () => {
            if (typeof dim === 'string') text(writer, DIMENSION.parameter, dim)
            else writer.tag(DIMENSION.value, WireType.Varint).int64(dim)
          })
        }
      })
    }),
  )
}
