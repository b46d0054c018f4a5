import { decodeToFloat32, dtypeBytes, encodeFloat32, type WeightDtype } from '../../formats/dtype.ts'
import type { TensorView } from '../../merge/model.ts'
import type { BaseWeights } from './base-weights.ts'

/**
 * Bytes that storing a model takes: all its weights in the types they are written in or, where a base is kept anyway, the tensors that are
 * not the base's. Compared is what would be written: values rounded to that type.
 * @param dtypeOf type of a tensor in the written file
 * @returns NaN where the model holds anything but finite numbers
 */
export function storedBytes(
  tensors: ReadonlyMap<string, TensorView>,
  dtypeOf: (name: string) => WeightDtype,
  base?: BaseWeights,
): number {
  let bytes = 0
  for (const [name, { shape, data }] of tensors) {
    if (!data.every(Number.isFinite)) return Number.NaN
    const dtype = dtypeOf(name)
    if (base === undefined || !isSame(data, base.read(name, shape), dtype)) bytes += data.length * dtypeBytes(dtype)
  }
  return bytes
}

function isSame(a: Float32Array, b: Float32Array, dtype: WeightDtype): boolean {
  const [x, y] = [rounded(a, dtype), rounded(b, dtype)]
  return x.every((value, i) => value === y[i])
}

function rounded(values: Float32Array, dtype: WeightDtype): Float32Array {
  if (dtype === 'F32' || dtype === 'F64') return values
  const bytes = new Uint8Array(values.length * dtypeBytes(dtype))
  encodeFloat32(values, dtype, bytes)
  const result = new Float32Array(values.length)
  decodeToFloat32(bytes, dtype, result)
  return result
}
