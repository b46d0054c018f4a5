import { decodeToFloat32, dtypeBytes, encodeFloat32, type WeightDtype } from '../../../src/formats/dtype.ts'
import { applyOperator } from '../../../src/merge/operators/apply.ts'
import type { MergeOperator, Settings } from '../../../src/merge/operators/operator.ts'
import { rounded } from '../../../src/merge/program/read-tensor.ts'
import { mergeTensor } from '../../../src/merge/stream/merge-tensor.ts'
import { streamMethod } from '../../../src/merge/stream/plan-operator.ts'
import type { StreamTensor } from '../../../src/merge/stream/stream-tensor.ts'
import type { TileSizes } from '../../../src/merge/stream/tile-frame.ts'

export interface Problem {
  readonly operator: MergeOperator
  readonly settings: Settings
  readonly shape: readonly number[]
  readonly base: Float32Array | undefined
  readonly models: readonly Float32Array[]
  /** Of the inputs, the base first. */
  readonly dtypes: readonly WeightDtype[]
  readonly work?: WeightDtype
  readonly written?: WeightDtype
  readonly sizes?: TileSizes
}

export interface Streamed {
  readonly merged: boolean
  readonly values: Float32Array
  /** Most bytes that one read or write took. */
  readonly largestTransfer: number
  readonly bytesRead: number
}

/** The tensor as its method streams it, from memory; undefined where there is no such method. */
export function stream(problem: Problem): Streamed | undefined {
  const { operator, settings, shape, base, models, dtypes, work, written = 'F32', sizes } = problem
  const ids = models.map((_, m) => `model-${m}`)
  const method = streamMethod({ operator, settings, name: 'w', shape, ids, based: base !== undefined })
  if (method === undefined) return undefined
  const all = base === undefined ? models : [base, ...models]
  const stored = all.map((values, i) => encode(values, dtypes[i]!))
  const elements = shape.reduce((product, size) => product * size, 1)
  const tensor: StreamTensor = {
    name: 'w',
    elements,
    inputs: dtypes.slice(0, all.length).map(dtype => ({ dtype, place: undefined, path: 'memory', columns: undefined })),
    work,
    written,
    method,
  }
  const out = new Uint8Array(elements * dtypeBytes(written))
  let [largestTransfer, bytesRead] = [0, 0]
  const io = {
    read(input: number, offset: number, target: Uint8Array) {
      largestTransfer = Math.max(largestTransfer, target.byteLength)
      bytesRead += target.byteLength
      target.set(stored[input]!.subarray(offset, offset + target.byteLength))
    },
    write(offset: number, bytes: Uint8Array) {
      largestTransfer = Math.max(largestTransfer, bytes.byteLength)
      out.set(bytes, offset)
    },
  }
  const merged = mergeTensor(tensor, 0, elements, io, sizes)
  const values = new Float32Array(elements)
  decodeToFloat32(out, written, values)
  return { merged, values, largestTransfer, bytesRead }
}

/** The same tensor by the operator's definition, in float64. */
export function define({ operator, settings, shape, base, models, dtypes, work }: Problem): Float64Array {
  const all = base === undefined ? models : [base, ...models]
  const inputs = all.map((values, i) => {
    const exact = Float64Array.from(decode(encode(values, dtypes[i]!), dtypes[i]!))
    return work === undefined ? exact : rounded(exact, work)
  })
  return applyOperator(operator, {
    ...settings,
    name: 'w',
    shape,
    base: base === undefined ? undefined : inputs[0]!,
    models: base === undefined ? inputs : inputs.slice(1),
    ids: models.map((_, m) => `model-${m}`),
    survey: {},
    depth: undefined,
  })
}

export function encode(values: Float32Array, dtype: WeightDtype): Uint8Array {
  const bytes = new Uint8Array(values.length * dtypeBytes(dtype))
  encodeFloat32(values, dtype, bytes)
  return bytes
}

function decode(bytes: Uint8Array, dtype: WeightDtype): Float32Array {
  const values = new Float32Array(bytes.length / dtypeBytes(dtype))
  decodeToFloat32(bytes, dtype, values)
  return values
}

/** The largest |a − b| over the largest |b|. */
export function relativeDifference(a: ArrayLike<number>, b: Float64Array): number {
  const largest = b.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
  const worst = b.reduce((max, value, i) => Math.max(max, Math.abs(value - a[i]!)), 0)
  return worst === 0 ? 0 : worst / largest
}
