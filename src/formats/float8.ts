/**
 * The two 8-bit floats of OCP's "8-bit Floating Point Specification" 1.0 (2023), as safetensors and ONNX store them.
 *
 * E4M3FN: 1 sign, 4 exponent (bias 7), 3 fraction bits; no infinity, S.1111.111 is NaN; largest 448, smallest 2^-9.
 * E5M2: 1 sign, 5 exponent (bias 15), 2 fraction bits; infinities and NaN as in IEEE 754; largest 57344, smallest 2^-16.
 */
export type Float8 = 'F8_E4M3' | 'F8_E5M2'

interface Layout {
  readonly fractionBits: number
  readonly bias: number
  /** Pattern of the largest finite magnitude, and of what is beyond it. */
  readonly largest: number
  readonly beyond: number
}

const LAYOUTS: Readonly<Record<Float8, Layout>> = {
  F8_E4M3: { fractionBits: 3, bias: 7, largest: 0x7e, beyond: 0x7f },
  F8_E5M2: { fractionBits: 2, bias: 15, largest: 0x7b, beyond: 0x7c },
}

function tableOf(dtype: Float8): Float32Array {
  const { fractionBits, bias, largest, beyond } = LAYOUTS[dtype]
  return Float32Array.from({ length: 256 }, (_, pattern) => {
    const magnitude = pattern & 0x7f
    const sign = pattern > 0x7f ? -1 : 1
    if (magnitude > largest)
      return dtype === 'F8_E5M2' && magnitude === beyond ? sign * Number.POSITIVE_INFINITY : Number.NaN
    const exponent = magnitude >> fractionBits
    const fraction = (magnitude & ((1 << fractionBits) - 1)) / (1 << fractionBits)
    return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias))
  })
}

const TABLES: Readonly<Record<Float8, Float32Array>> = { F8_E4M3: tableOf('F8_E4M3'), F8_E5M2: tableOf('F8_E5M2') }

/** Exact. `target` is as long as `bytes`. */
export function decodeFloat8(bytes: Uint8Array, dtype: Float8, target: Float32Array): void {
  const table = TABLES[dtype]
  for (let i = 0; i < bytes.length; i++) target[i] = table[bytes[i]!]!
}

/** To nearest, ties to even. What is too large becomes an infinity, or NaN where the type has none. `target` is as long as `values`. */
export function encodeFloat8(values: Float32Array, dtype: Float8, target: Uint8Array): void {
  const { fractionBits, bias, largest, beyond } = LAYOUTS[dtype]
  const smallestExponent = 1 - bias
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0
    if (Number.isNaN(value)) {
      target[i] = 0x7f
      continue
    }
    const magnitude = Math.abs(value)
    const exponent = Math.max(smallestExponent, exponentOf(magnitude))
    // In units of the last place: below 2^fractionBits a subnormal, from there to twice as much a normal number. All exact.
    const units = roundHalfToEven(magnitude * 2 ** (fractionBits - exponent))
    const pattern = ((exponent - smallestExponent) << fractionBits) + units
    target[i] = sign | (Number.isFinite(magnitude) && pattern <= largest ? pattern : beyond)
  }
}

/** floor(log2 x) of a float32, x > 0; very small for 0. */
function exponentOf(magnitude: number): number {
  SCRATCH[0] = magnitude
  return (BITS[0]! >>> 23) - 127
}

const SCRATCH = new Float32Array(1)
const BITS = new Uint32Array(SCRATCH.buffer)

function roundHalfToEven(x: number): number {
  const floor = Math.floor(x)
  const rest = x - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
}
