import { FormatError, show } from '../errors.ts'
import { dtypeBytes, type WeightDtype } from './dtype.ts'
import { elementCount, type OnnxInitializer, type OnnxModel } from './onnx.ts'
import type { ExternalValues } from './onnx-external.ts'
import { TENSOR } from './onnx-schema.ts'
import { type ByteRange, type ByteSource, eachInteger, fieldsOf, requireWire, WireType } from './onnx-wire.ts'

/** The float initializers of the main graph as merge sources see them. */

/** Where the little-endian elements are: in one piece in the file, in another file, or in a message's typed fields. */
export type WeightPlace =
  | { readonly kind: 'inside'; readonly range: ByteRange }
  | { readonly kind: 'external'; readonly values: ExternalValues }
  | { readonly kind: 'scattered'; readonly tensor: OnnxInitializer }

export interface OnnxWeight {
  readonly name: string
  readonly dtype: WeightDtype
  readonly shape: readonly number[]
  readonly byteLength: number
  readonly place: WeightPlace
}

const WEIGHTS: Readonly<Partial<Record<string, WeightDtype>>> = {
  float32: 'F32',
  float64: 'F64',
  float16: 'F16',
  bfloat16: 'BF16',
  float8e4m3fn: 'F8_E4M3',
  float8e5m2: 'F8_E5M2',
}

/** By name, in file order. Integers, booleans and text are part of the architecture and left out. */
export function onnxWeights(model: OnnxModel): ReadonlyMap<string, OnnxWeight> {
  const weights = new Map<string, OnnxWeight>()
  for (const tensor of model.initializers.values()) {
    const dtype = tensor.dtype === undefined ? undefined : WEIGHTS[tensor.dtype]
    if (dtype === undefined) continue
    const { name, shape } = tensor
    const byteLength = shape.reduce((product, dim) => product * dim, dtypeBytes(dtype))
    weights.set(name, { name, dtype, shape, byteLength, place: placeOf(tensor) })
  }
  return weights
}

function placeOf(tensor: OnnxInitializer): WeightPlace {
  if (tensor.external !== undefined) return { kind: 'external', values: tensor.external }
  if (tensor.values !== undefined) return { kind: 'inside', range: tensor.values }
  return { kind: 'scattered', tensor }
}

/**
 * The elements of a float tensor from its typed fields, little-endian.
 * @throws {FormatError} when they are too few or too many
 */
export function gatherElements(
  bytes: ByteSource,
  tensor: OnnxInitializer,
  dtype: WeightDtype,
  file: string,
): Uint8Array {
  const where = `${file}: initializer ${show(tensor.name)}`
  const count = elementCount(tensor.shape, where)
  const number = dtype === 'F32' ? TENSOR.floatData : dtype === 'F64' ? TENSOR.doubleData : TENSOR.int32Data
  const size = dtypeBytes(dtype)
  // Looked at before anything of the shape's size is allocated: a field of the file for each element, or a byte of one.
  let stored = 0
  for (const field of fieldsOf(bytes, tensor.message, where))
    if (field.number === number) stored += field.value.end - field.value.start
  const refuse = (found: number): never => {
    throw new FormatError(`${where} needs ${count * size} bytes for ${count} ${tensor.dtype} elements, got ${found}.`, {
      hint: 'The file is damaged: export or fetch it again.',
    })
  }
  const isInteger = number === TENSOR.int32Data
  if (isInteger ? stored < count : stored !== count * size) refuse(isInteger ? Math.min(stored, count) * size : stored)

  const data = new Uint8Array(count * size)
  let at = 0
  for (const field of fieldsOf(bytes, tensor.message, where)) {
    if (field.number !== number) continue
    if (isInteger) {
      // Bit patterns of narrow floats are kept as integers, in the low bits. More than there is room for are counted only.
      eachInteger(bytes, field, where, count - at / size, pattern => {
        for (let i = 0; i < size; i++) data[at++] = (pattern >> (8 * i)) & 255
      })
      if (at > data.byteLength) refuse(at)
    } else {
      if (field.wire !== WireType.LengthDelimited)
        requireWire(field, size === 4 ? WireType.Bit32 : WireType.Bit64, where)
      data.set(bytes.subarray(field.value.start, field.value.end), at)
      at += field.value.end - field.value.start
    }
  }
  if (at !== data.byteLength) refuse(at)
  return data
}
