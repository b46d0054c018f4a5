import { FormatError, nearest, show } from '../errors.ts'
import { decodeFloat8, encodeFloat8, type Float8 } from './float8.ts'

/**
 * Element types of the safetensors format and their conversion to and from float32, the type every merge computes in.
 *
 * float16: IEEE 754 binary16 (1 sign, 5 exponent, 10 fraction bits). bfloat16: the upper half of a binary32. 8-bit floats: `float8.ts`.
 */

const BYTES = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
} as const

export type Dtype = keyof typeof BYTES

/** The types whose tensors can be merged. An 8-bit float whose scale is in another tensor cannot: see `merge/inspect.ts`. */
export type WeightDtype = 'F64' | 'F32' | 'F16' | 'BF16' | Float8

const NAMES: ReadonlySet<string> = new Set(Object.keys(BYTES))
const WEIGHTS: ReadonlySet<string> = new Set(['F64', 'F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E5M2'])

/** Bytes of one element. */
export function dtypeBytes(dtype: Dtype): number {
  return BYTES[dtype]
}

export function isDtype(name: string): name is Dtype {
  return NAMES.has(name)
}

export function isWeightDtype(dtype: string): dtype is WeightDtype {
  return WEIGHTS.has(dtype)
}

/** @throws {FormatError} on a name the format does not have; `where` names the file and tensor. */
export function parseDtype(name: string, where: string): Dtype {
  if (isDtype(name)) return name
  const near = nearest(name, NAMES)
  const known = [...NAMES].join(', ')
  throw new FormatError(`${where} has the unknown dtype ${show(name)}; known are ${known}.`, {
    ...(near === undefined ? {} : { hint: `Did you mean ${near}?` }),
  })
}

/** Bits of the float32 value of every binary16 bit pattern, built on first use: 256 KiB, and a lookup beats the arithmetic. */
let widened: Uint32Array | undefined

function halfTable(): Uint32Array {
  if (widened !== undefined) return widened
  const table = new Float32Array(65536)
  const bits = new Uint32Array(table.buffer)
  for (let half = 0; half < 65536; half++) {
    const sign = (half & 0x8000) << 16
    const exponent = (half >> 10) & 0x1f
    const fraction = half & 0x3ff
    if (exponent === 0) {
      table[half] = fraction * 2 ** -24 // zero and subnormals: exact in float32
      bits[half] = (bits[half]! | sign) >>> 0
    } else if (exponent === 31) {
      bits[half] = (sign | 0x7f800000 | (fraction << 13)) >>> 0
    } else {
      bits[half] = (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0 // rebias 15 -> 127
    }
  }
  widened = bits
  return bits
}

/**
 * Decodes little-endian elements into `target`, as many as `target` holds. float64 is rounded to nearest even; the rest is exact.
 * @throws {RangeError} when `bytes` is not exactly as long as `target` needs.
 */
export function decodeToFloat32(bytes: Uint8Array, dtype: WeightDtype, target: Float32Array): void {
  requireLength(bytes.byteLength, target.length, dtype)
  const n = target.length
  switch (dtype) {
    case 'F32':
      // A copy of bytes, not of numbers: a signalling NaN keeps its bits.
      new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(bytes)
      return
    case 'F64':
      target.set(aligned(bytes, Float64Array))
      return
    case 'F16': {
      const half = aligned(bytes, Uint16Array)
      const table = halfTable()
      // Bits, not numbers: a signalling NaN that passes through a float64 may come out quiet, or not.
      const bits = new Uint32Array(target.buffer, target.byteOffset, n)
      for (let i = 0; i < n; i++) bits[i] = table[half[i]!]!
      return
    }
    case 'BF16': {
      const half = aligned(bytes, Uint16Array)
      const bits = new Uint32Array(target.buffer, target.byteOffset, n)
      for (let i = 0; i < n; i++) bits[i] = half[i]! << 16
      return
    }
    case 'F8_E4M3':
    case 'F8_E5M2':
      decodeFloat8(bytes, dtype, target)
      return
  }
}

/**
 * Encodes float32 as little-endian elements, rounded to nearest, ties to even; what is too large becomes an infinity.
 * @throws {RangeError} when `target` is not exactly as long as `values` need.
 */
export function encodeFloat32(values: Float32Array, dtype: WeightDtype, target: Uint8Array): void {
  requireLength(target.byteLength, values.length, dtype)
  const n = values.length
  switch (dtype) {
    case 'F32':
      target.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
      return
    case 'F64':
      inPlace(target, Float64Array, out => out.set(values))
      return
    case 'F16': {
      const bits = new Uint32Array(values.buffer, values.byteOffset, n)
      inPlace(target, Uint16Array, out => {
        for (let i = 0; i < n; i++) out[i] = halfBits(bits[i]!)
      })
      return
    }
    case 'BF16': {
      const bits = new Uint32Array(values.buffer, values.byteOffset, n)
      inPlace(target, Uint16Array, out => {
        for (let i = 0; i < n; i++) out[i] = bfloatBits(bits[i]!)
      })
      return
    }
    case 'F8_E4M3':
    case 'F8_E5M2':
      encodeFloat8(values, dtype, target)
      return
  }
}

/** Upper 16 bits of a binary32, rounded to nearest even; a NaN stays a NaN even when its payload is in the lower half. */
function bfloatBits(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff)
  if (magnitude >= 0x477ff000) return sign | 0x7c00 // from 65520 on, half way past the largest finite number
  if (magnitude >= 0x38800000) {
    // Normal from 2^-14 on. A carry out of the fraction raises the exponent, as it should.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
  }
  if (magnitude < 0x33000000) return sign // below 2^-25, half the smallest subnormal
  // Subnormal: the 24-bit significand shifted right so that one unit is 2^-24.
  const shift = 126 - (magnitude >>> 23)
  const significand = (magnitude & 0x7fffff) | 0x800000
  const rest = significand & ((1 << shift) - 1)
  const half = 1 << (shift - 1)
  const units = significand >>> shift
  return sign | (rest > half || (rest === half && (units & 1) === 1) ? units + 1 : units)
}

function requireLength(bytes: number, elements: number, dtype: WeightDtype): void {
  if (bytes !== elements * BYTES[dtype]) {
    throw new RangeError(`${elements} ${dtype} elements take ${elements * BYTES[dtype]} bytes, not ${bytes}.`)
  }
}

type View = Float64Array | Uint16Array
type ViewType<T extends View> = {
  readonly BYTES_PER_ELEMENT: number
  new (buffer: ArrayBufferLike, offset: number, length: number): T
}

/** A view of the bytes, of a copy where they are not aligned. */
function aligned<T extends View>(bytes: Uint8Array, type: ViewType<T>): T {
  const size = type.BYTES_PER_ELEMENT
  const source = bytes.byteOffset % size === 0 ? bytes : bytes.slice()
  return new type(source.buffer, source.byteOffset, source.byteLength / size)
}

function inPlace<T extends View>(target: Uint8Array, type: ViewType<T>, fill: (view: T) => void): void {
  const size = type.BYTES_PER_ELEMENT
  if (target.byteOffset % size === 0) {
    fill(new type(target.buffer, target.byteOffset, target.byteLength / size))
    return
  }
  const copy = new Uint8Array(target.byteLength)
  fill(new type(copy.buffer, 0, target.byteLength / size))
  target.set(copy)
}
