/** Exact text for float arrays (little-endian base64): JSON would lose -0, NaN and infinities, and array types. */

export function encodeFloat64(values: Float64Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64')
}

/** @throws {RangeError} if the text does not hold `length` float64 values (any number when `length` is not given). */
export function decodeFloat64(text: string, length?: number): Float64Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.byteLength % 8 !== 0 || (length !== undefined && bytes.byteLength !== 8 * length)) {
    throw new RangeError(
      `Expected ${length === undefined ? 'a multiple of 8' : 8 * length} bytes of float64, got ${bytes.byteLength}.`,
    )
  }
  return new Float64Array(new Uint8Array(bytes).buffer)
}

export function encodeFloat32(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64')
}

export function decodeFloat32(text: string): Float32Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.byteLength % 4 !== 0)
    throw new RangeError(`Expected a multiple of 4 bytes of float32, got ${bytes.byteLength}.`)
  return new Float32Array(new Uint8Array(bytes).buffer)
}
