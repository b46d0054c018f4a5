import { MergeError, show } from '../../errors.ts'
import type { Checkpoint } from '../../formats/checkpoint.ts'
import { decodeToFloat32, dtypeBytes, encodeFloat32, isWeightDtype, type WeightDtype } from '../../formats/dtype.ts'

/**
 * A stretch of a tensor as float64.
 * @param shape what is wanted of a matrix: its rows and columns from the first on; the tensor may have more
 * @param begin, count elements of that shape, row-major
 * @param work round to this type first, as a program says
 */
export function readStretch(
  checkpoint: Checkpoint,
  name: string,
  shape: readonly number[],
  begin: number,
  count: number,
  work: WeightDtype | undefined,
): Float64Array {
  const info = checkpoint.tensors.get(name)!
  if (!isWeightDtype(info.dtype)) throw new MergeError(`Tensor ${show(name)} is ${info.dtype}; only floats are merged.`)
  const { dtype } = info
  const size = dtypeBytes(dtype)
  const whole = info.shape.every((length, axis) => length === shape[axis])
  const bytes = new Uint8Array(count * size)
  if (whole) checkpoint.readRange(name, begin * size, bytes)
  else readCut(checkpoint, name, info.shape, shape, begin, count, size, bytes)
  const out = dtype === 'F64' ? new Float64Array(bytes.buffer) : widen(bytes, dtype, count)
  return work === undefined || work === dtype ? out : rounded(out, work)
}

/** Rows of the stored matrix are longer than those that are wanted. */
function readCut(
  checkpoint: Checkpoint,
  name: string,
  stored: readonly number[],
  wanted: readonly number[],
  begin: number,
  count: number,
  size: number,
  bytes: Uint8Array,
): void {
  const [columns, storedColumns] = [wanted[1]!, stored[1]!]
  for (let at = begin; at < begin + count; ) {
    const row = Math.floor(at / columns)
    const column = at % columns
    const length = Math.min(columns - column, begin + count - at)
    const to = bytes.subarray((at - begin) * size, (at - begin + length) * size)
    checkpoint.readRange(name, (row * storedColumns + column) * size, to)
    at += length
  }
}

function widen(bytes: Uint8Array, dtype: WeightDtype, count: number): Float64Array {
  const floats = new Float32Array(count)
  decodeToFloat32(bytes, dtype, floats)
  return new Float64Array(floats)
}

/** To the nearest values of a narrower type, as float64. */
export function rounded(values: Float64Array, dtype: WeightDtype): Float64Array {
  if (dtype === 'F64') return values
  const floats = Float32Array.from(values)
  if (dtype === 'F32') return Float64Array.from(floats)
  const bytes = new Uint8Array(values.length * dtypeBytes(dtype))
  encodeFloat32(floats, dtype, bytes)
  decodeToFloat32(bytes, dtype, floats)
  return new Float64Array(floats)
}

/**
 * Stored bytes of a merged stretch. 16-bit types are rounded once from float32, whose own rounding moves a result by at most half a unit in
 * the last place of the narrow type.
 * @throws {MergeError} where a value is an infinity in that type
 */
export function encodeStretch(
  values: Float64Array,
  dtype: WeightDtype,
  name: string,
  allowNonFinite = false,
): Uint8Array {
  const bytes = new Uint8Array(values.length * dtypeBytes(dtype))
  if (dtype === 'F64') {
    new Float64Array(bytes.buffer).set(values)
    return bytes
  }
  const floats = Float32Array.from(values)
  encodeFloat32(floats, dtype, bytes)
  requireBelow(
    name,
    floats.reduce(
      (max, value, i) => (allowNonFinite && !Number.isFinite(values[i]) ? max : Math.max(max, Math.abs(value))),
      0,
    ),
    dtype,
  )
  return bytes
}

/** @param largestBits of the float32 @throws {MergeError} where it is an infinity in that type */
export function requireFits(name: string, largestBits: number, dtype: WeightDtype): void {
  requireBelow(name, new Float32Array(Uint32Array.of(largestBits).buffer)[0]!, dtype)
}

function requireBelow(name: string, largest: number, dtype: WeightDtype): void {
  if (largest < INFINITE_FROM[dtype]) return
  throw new MergeError(
    `Tensor ${show(name)} has a merged value of magnitude ${largest}, which is an infinity as ${dtype}.`,
    { hint: 'Write it as F32, or merge with smaller coefficients.' },
  )
}

/** float32 magnitudes that a type rounds to infinity, from the half way point past its largest finite number on. */
export const INFINITE_FROM: Readonly<Record<WeightDtype, number>> = {
  F64: Number.POSITIVE_INFINITY,
  F32: Number.POSITIVE_INFINITY,
  F16: 65_520,
  BF16: 2 ** 128 * (1 - 2 ** -9),
  F8_E4M3: 464 + 2 ** -15, // 464 itself is a tie, and goes to 448; what is beyond becomes NaN
  F8_E5M2: 61_440,
}
