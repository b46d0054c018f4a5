import { BinaryWriter } from '@bufbuild/protobuf/wire'
import { FormatError, show } from '../errors.ts'
import { MODEL_BYTES_LIMIT, type OnnxInitializer, type OnnxModel, parseOnnxModel } from './onnx.ts'
import { encodeGraphInput, encodeGraphOutput, encodeInitializer } from './onnx-build.ts'
import type { ExternalValues } from './onnx-external.ts'
import { GRAPH, MODEL, TENSOR } from './onnx-schema.ts'
import { gatherElements } from './onnx-weights.ts'
import { type ByteRange, fieldsOf, WireType } from './onnx-wire.ts'

/** Models as bytes, changed where it is asked for: every other byte stays as it is, fields of newer versions included. */

/**
 * The model with the named float32 initializers turned into graph inputs, so that weights can be fed to a session that is built
 * once. Every other byte stays as it is.
 * @throws {FormatError} on a name that is no float32 initializer
 */
export function promoteInitializers(bytes: Uint8Array, names: ReadonlySet<string>, file: string): Uint8Array {
  const model = parseOnnxModel(bytes, file)
  // A runtime that is given bytes looks for other files in whatever folder it runs in.
  for (const { name, external } of model.initializers.values())
    if (external !== undefined && !names.has(name))
      throw new FormatError(
        `${file}: initializer ${show(name)} keeps its values in another file, and was not taken in.`,
      )
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
    file,
  )
}

/**
 * The model with values from other files taken in, except those of the named initializers.
 * @param read the bytes of an initializer's values
 * @throws {FormatError} when it would be too large for one file
 */
export function takeInExternal(
  bytes: Uint8Array,
  except: ReadonlySet<string>,
  read: (values: ExternalValues, tensor: OnnxInitializer) => Uint8Array,
  file: string,
): Uint8Array {
  const model = parseOnnxModel(bytes, file)
  const taken = [...model.initializers.values()].filter(
    ({ name, external }) => external !== undefined && !except.has(name),
  )
  if (taken.length === 0) return bytes
  const added = taken.map(tensor => withRawValues(bytes, tensor, read(tensor.external!, tensor), file))
  return rewriteGraph(
    bytes,
    model,
    taken.map(({ field }) => field),
    added,
    file,
  )
}

/** The model with values of its inside as further outputs. A name that no node gives is refused by the runtime, not here. */
export function addGraphOutputs(bytes: Uint8Array, names: readonly string[], file: string): Uint8Array {
  const model = parseOnnxModel(bytes, file)
  const known = new Set(model.outputs.map(output => output.name))
  const added = [...new Set(names)].filter(name => !known.has(name))
  return added.length === 0 ? bytes : rewriteGraph(bytes, model, [], added.map(encodeGraphOutput), file)
}

/** Model bytes whose named weights can be overwritten in place. */
export interface PatchableModel {
  readonly bytes: Uint8Array
  /** Name → where its float32 elements lie. */
  readonly slots: ReadonlyMap<string, ByteRange>
}

/**
 * A copy of the model in which the values of the named float32 initializers lie in one piece each. Those in other files are zeros in it.
 * @throws {FormatError} on a name that is no float32 initializer, and when the copy would be too large for one file
 */
export function makePatchable(bytes: Uint8Array, names: ReadonlySet<string>, file: string): PatchableModel {
  const model = parseOnnxModel(bytes, file)
  const scattered = float32Initializers(model, names, file).filter(tensor => tensor.values === undefined)
  requireOneFile(bytes.byteLength + scattered.reduce((sum, tensor) => sum + float32Bytes(tensor), 0), file)
  const copy = rewriteGraph(
    bytes,
    model,
    scattered.map(tensor => tensor.field),
    scattered.map(tensor => {
      const { name, shape } = tensor
      const data =
        tensor.external === undefined
          ? new Float32Array(gatherElements(bytes, tensor, 'F32', file).buffer)
          : new Float32Array(float32Bytes(tensor) / 4)
      return encodeInitializer({ name, shape, data })
    }),
    file,
  )
  const slots = new Map<string, ByteRange>()
  for (const tensor of parseOnnxModel(copy, file).initializers.values())
    if (names.has(tensor.name) && tensor.values !== undefined) slots.set(tensor.name, tensor.values)
  return { bytes: copy, slots }
}

function float32Bytes({ shape }: OnnxInitializer): number {
  return shape.reduce((product, dim) => product * dim, 4)
}

/** The initializer's field with these values in it, and whatever else its message says. */
function withRawValues(bytes: Uint8Array, tensor: OnnxInitializer, values: Uint8Array, file: string): Uint8Array {
  const kept: Uint8Array[] = []
  for (const { number, whole } of fieldsOf(bytes, tensor.message, file))
    if (number !== TENSOR.externalData && number !== TENSOR.dataLocation)
      kept.push(bytes.subarray(whole.start, whole.end))
  kept.push(new BinaryWriter().tag(TENSOR.rawData, WireType.LengthDelimited).uint32(values.byteLength).finish(), values)
  const length = kept.reduce((sum, piece) => sum + piece.byteLength, 0)
  return concat([new BinaryWriter().tag(GRAPH.initializer, WireType.LengthDelimited).uint32(length).finish(), ...kept])
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
  file: string,
): Uint8Array {
  const kept: Uint8Array[] = []
  let from = model.graph.start
  for (const range of dropped) {
    kept.push(bytes.subarray(from, range.start))
    from = range.end
  }
  kept.push(bytes.subarray(from, model.graph.end), ...added)
  const length = kept.reduce((total, piece) => total + piece.byteLength, 0)
  requireOneFile(bytes.byteLength - (model.graph.end - model.graph.start) + length, file)
  return concat([
    bytes.subarray(0, model.graphField.start),
    lengthPrefix(length),
    ...kept,
    bytes.subarray(model.graph.end),
  ])
}

function requireOneFile(bytes: number, file: string): void {
  if (bytes <= MODEL_BYTES_LIMIT) return
  throw new FormatError(
    `${file} with all values inside would have ${bytes} bytes; one file has at most ${MODEL_BYTES_LIMIT}.`,
  )
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
