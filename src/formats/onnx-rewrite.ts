import { BinaryWriter } from '@bufbuild/protobuf/wire'
import { FormatError, show } from '../errors.ts'
import { dtypeBytes, type WeightDtype } from './dtype.ts'
import { elementCount, type OnnxInitializer, type OnnxModel, parseOnnxModel } from './onnx.ts'
import { encodeGraphInput, encodeInitializer } from './onnx-build.ts'
import { MODEL, TENSOR } from './onnx-schema.ts'
import { type ByteRange, fieldsOf, readIntegers, WireType } from './onnx-wire.ts'

/** A float initializer as a merge source sees it. */
export interface OnnxWeight {
  readonly dtype: WeightDtype
  readonly shape: readonly number[]
  /** Little-endian elements: a view of the file's bytes where it has them in one piece. */
  readonly data: Uint8Array
}

const WEIGHTS: Readonly<Record<string, WeightDtype>> = {
  float32: 'F32',
  float64: 'F64',
  float16: 'F16',
  bfloat16: 'BF16',
}

/**
 * The float initializers of the main graph, by name, in file order. Integers, booleans and text are part of the architecture and
 * left out.
 * @throws {FormatError} as {@link parseOnnxModel}, and when values are missing
 */
export function readOnnxInitializers(bytes: Uint8Array, file: string): ReadonlyMap<string, OnnxWeight> {
  const weights = new Map<string, OnnxWeight>()
  for (const tensor of parseOnnxModel(bytes, file).initializers.values()) {
    const dtype = tensor.dtype === undefined ? undefined : WEIGHTS[tensor.dtype]
    if (dtype === undefined) continue
    weights.set(tensor.name, { dtype, shape: tensor.shape, data: weightBytes(bytes, tensor, dtype, file) })
  }
  return weights
}

/**
 * The model with the named float32 initializers turned into graph inputs, so that weights can be fed to a session that is built
 * once. Every other byte stays as it is.
 * @throws {FormatError} on a name that is no float32 initializer
 */
export function promoteInitializers(bytes: Uint8Array, names: ReadonlySet<string>, file: string): Uint8Array {
  const model = parseOnnxModel(bytes, file)
  // Before IR version 4 every initializer is listed as an input too: then only its values go.
  const listed = new Set(model.inputs.map(input => input.name))
  const tensors = float32Initializers(model, names, file)
  const added = tensors
    .filter(tensor => !listed.has(tensor.name))
    .map(tensor => encodeGraphInput({ name: tensor.name, shape: tensor.shape }))
  return rewriteGraph(
    bytes,
    model,
    tensors.map(tensor => tensor.field),
    added,
  )
}

/** Model bytes whose named weights can be overwritten in place. */
export interface PatchableModel {
  readonly bytes: Uint8Array
  /** Name → where its float32 elements lie. */
  readonly slots: ReadonlyMap<string, ByteRange>
}

/**
 * A copy of the model in which the values of the named float32 initializers lie in one piece each.
 * @throws {FormatError} on a name that is no float32 initializer
 */
export function makePatchable(bytes: Uint8Array, names: ReadonlySet<string>, file: string): PatchableModel {
  const model = parseOnnxModel(bytes, file)
  const scattered = float32Initializers(model, names, file).filter(tensor => tensor.values === undefined)
  const copy = rewriteGraph(
    bytes,
    model,
    scattered.map(tensor => tensor.field),
    scattered.map(tensor => {
      const data = new Float32Array(new Uint8Array(weightBytes(bytes, tensor, 'F32', file)).buffer)
      return encodeInitializer({ name: tensor.name, shape: tensor.shape, data })
    }),
  )
  const slots = new Map<string, ByteRange>()
  for (const tensor of parseOnnxModel(copy, file).initializers.values())
    if (names.has(tensor.name) && tensor.values !== undefined) slots.set(tensor.name, tensor.values)
  return { bytes: copy, slots }
}

function float32Initializers(model: OnnxModel, names: ReadonlySet<string>, file: string): readonly OnnxInitializer[] {
  for (const name of names) {
    const tensor = model.initializers.get(name)
    if (tensor?.dtype !== 'float32')
      throw new FormatError(
        `${file} must have a float32 initializer ${show(name)}; it has ${tensor === undefined ? 'none of that name' : `one of ${tensor.dtype ?? 'another type'}`}.`,
      )
  }
  return [...model.initializers.values()].filter(tensor => names.has(tensor.name))
}

/** The model without some fields of its graph and with others at the graph's end; only the graph's length changes besides. */
function rewriteGraph(
  bytes: Uint8Array,
  model: OnnxModel,
  dropped: readonly ByteRange[],
  added: readonly Uint8Array[],
): Uint8Array {
  const kept: Uint8Array[] = []
  let from = model.graph.start
  for (const range of dropped) {
    kept.push(bytes.subarray(from, range.start))
    from = range.end
  }
  kept.push(bytes.subarray(from, model.graph.end), ...added)
  const length = kept.reduce((total, piece) => total + piece.byteLength, 0)
  return concat([
    bytes.subarray(0, model.graphField.start),
    lengthPrefix(length),
    ...kept,
    bytes.subarray(model.graph.end),
  ])
}

/** Not `Buffer.concat`: the `slice` of a Buffer is a view, which surprises whoever expects a Uint8Array. */
function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((total, piece) => total + piece.byteLength, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.byteLength
  }
  return whole
}

function lengthPrefix(length: number): Uint8Array {
  return new BinaryWriter().tag(MODEL.graph, WireType.LengthDelimited).uint32(length).finish()
}

/** The elements of a float tensor, little-endian, wherever the format's writer put them. */
function weightBytes(bytes: Uint8Array, tensor: OnnxInitializer, dtype: WeightDtype, file: string): Uint8Array {
  if (tensor.values !== undefined) return bytes.subarray(tensor.values.start, tensor.values.end)
  const where = `${file}: initializer ${show(tensor.name)}`
  const count = elementCount(tensor.shape, where)
  const pieces =
    dtype === 'F16' || dtype === 'BF16' ? halfPieces(bytes, tensor, where, count) : floatPieces(bytes, tensor)
  const data = concat(pieces)
  const needed = count * dtypeBytes(dtype)
  if (data.byteLength !== needed)
    throw new FormatError(
      `${where} needs ${needed} bytes for ${count} ${tensor.dtype} elements, got ${data.byteLength}.`,
      {
        hint: 'The file is damaged: export or fetch it again.',
      },
    )
  return data
}

/** Fixed-width elements, packed or one field each: the bytes of the fields are the bytes of the elements. */
function floatPieces(bytes: Uint8Array, tensor: OnnxInitializer): readonly Uint8Array[] {
  const number = tensor.dtype === 'float32' ? TENSOR.floatData : TENSOR.doubleData
  return fieldsOf(bytes, tensor.message, tensor.name)
    .filter(field => field.number === number)
    .map(field => bytes.subarray(field.value.start, field.value.end))
}

/** 16-bit floats are kept as integers in `int32_data`, the bit pattern in the low half. */
function halfPieces(bytes: Uint8Array, tensor: OnnxInitializer, where: string, count: number): readonly Uint8Array[] {
  const patterns: number[] = []
  for (const field of fieldsOf(bytes, tensor.message, where))
    if (field.number === TENSOR.int32Data) readIntegers(bytes, field, where, patterns, count)
  return [new Uint8Array(Uint16Array.from(patterns).buffer)]
}
