import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FormatError } from '../../src/errors.ts'
import { decodeToFloat32, dtypeBytes, encodeFloat32, parseDtype, type WeightDtype } from '../../src/formats/dtype.ts'

const ALL_16 = Uint16Array.from({ length: 65536 }, (_, i) => i)

function decode16(dtype: 'F16' | 'BF16'): Float32Array {
  const out = new Float32Array(65536)
  decodeToFloat32(new Uint8Array(ALL_16.buffer), dtype, out)
  return out
}

/** The value of binary16 by its definition: (-1)^s * 2^(e-15) * (1 + f/1024), and 2^-14 * f/1024 for e = 0. */
function halfValue(bits: number): number {
  const sign = bits >> 15 === 1 ? -1 : 1
  const e = (bits >> 10) & 31
  const f = bits & 1023
  if (e === 31) return f === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (e === 0 ? 2 ** -14 * (f / 1024) : 2 ** (e - 15) * (1 + f / 1024))
}

function encode(values: readonly number[], dtype: WeightDtype): Uint8Array {
  const out = new Uint8Array(values.length * dtypeBytes(dtype))
  encodeFloat32(Float32Array.from(values), dtype, out)
  return out
}

describe('float16', () => {
  it('decodes every bit pattern to the value of its definition', () => {
    const values = decode16('F16')
    for (let bits = 0; bits < 65536; bits++) {
      if (!Object.is(values[bits], halfValue(bits))) expect([bits, values[bits]]).toEqual([bits, halfValue(bits)])
    }
  })

  it('encodes every decoded bit pattern back to itself', () => {
    const back = new Uint16Array(65536)
    encodeFloat32(decode16('F16'), 'F16', new Uint8Array(back.buffer))
    for (let bits = 0; bits < 65536; bits++) {
      const nan = (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0
      if (nan) expect(back[bits]! & 0x7fff).toBeGreaterThan(0x7c00)
      else if (back[bits] !== bits) expect(back[bits]).toBe(bits)
    }
  })

  it('rounds to the nearest of its neighbours, ties to the even one, over the whole range', () => {
    const values = decode16('F16')
    const inputs: number[] = []
    const expected: number[] = []
    for (let low = 0; low < 0x7bff; low++) {
      const middle = (values[low]! + values[low + 1]!) / 2 // exact in float32: one more bit than float16
      const below = Math.fround(middle * (1 - 2 ** -23))
      const above = Math.fround(middle * (1 + 2 ** -22))
      inputs.push(middle, below, above)
      expected.push((low & 1) === 0 ? low : low + 1, low, low + 1)
    }
    const out = encode(inputs, 'F16')
    const bits = new Uint16Array(out.buffer)
    for (let i = 0; i < inputs.length; i++) {
      if (bits[i] !== expected[i]) expect([inputs[i], bits[i]]).toEqual([inputs[i], expected[i]])
    }
  })

  it('becomes an infinity from 65520 on, and keeps the sign of zeros and of what underflows', () => {
    const bits = new Uint16Array(encode([65519.996, 65520, 1e30, -65520, -0, 2 ** -25, -(2 ** -26)], 'F16').buffer)
    expect([...bits]).toEqual([0x7bff, 0x7c00, 0x7c00, 0xfc00, 0x8000, 0, 0x8000])
  })
})

describe('bfloat16', () => {
  it('decodes every bit pattern to the float32 whose upper half it is', () => {
    const bits = new Uint32Array(decode16('BF16').buffer)
    for (let i = 0; i < 65536; i++) if (bits[i] !== i * 65536) expect(bits[i]).toBe(i * 65536)
  })

  it('encodes every decoded bit pattern back to itself', () => {
    const back = new Uint16Array(65536)
    encodeFloat32(decode16('BF16'), 'BF16', new Uint8Array(back.buffer))
    for (let bits = 0; bits < 65536; bits++) {
      const nan = (bits & 0x7f80) === 0x7f80 && (bits & 0x7f) !== 0
      if (nan) expect(back[bits]! & 0x7fff).toBeGreaterThan(0x7f80)
      else if (back[bits] !== bits) expect(back[bits]).toBe(bits)
    }
  })

  it('rounds to nearest, ties to even, including the carry into an infinity', () => {
    const f32 = new Float32Array(
      Uint32Array.of(0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0x7f7fffff, 0x7f800001).buffer,
    )
    const out = new Uint8Array(12)
    encodeFloat32(f32, 'BF16', out)
    expect([...new Uint16Array(out.buffer)]).toEqual([0x3f80, 0x3f82, 0x3f81, 0x3f80, 0x7f80, 0x7fc0])
  })
})

describe('float32 and float64', () => {
  it('float32 keeps every bit, signalling NaNs included', () => {
    const bytes = new Uint8Array(Uint32Array.of(0x7f800001, 0x80000000, 1, 0x3f800000).buffer)
    const values = new Float32Array(4)
    decodeToFloat32(bytes, 'F32', values)
    const back = new Uint8Array(16)
    encodeFloat32(values, 'F32', back)
    expect([...back]).toEqual([...bytes])
  })

  it('float64 is rounded to the nearest float32 and float32 is exact in float64', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true }), { maxLength: 20 }), numbers => {
        const values = new Float32Array(numbers.length)
        decodeToFloat32(new Uint8Array(Float64Array.from(numbers).buffer), 'F64', values)
        expect([...values]).toEqual(numbers.map(Math.fround))
        expect([...new Float64Array(encode([...values], 'F64').buffer)]).toEqual([...values])
      }),
    )
  })
})

describe('all weight types', () => {
  it.each(['F64', 'F32', 'F16', 'BF16'] as const)('%s works at addresses that are not aligned', dtype => {
    const values = Float32Array.of(1, -2.5, 0.15625, 96)
    const bytes = encode([...values], dtype)
    const shifted = new Uint8Array(bytes.byteLength + 1)
    shifted.set(bytes, 1)
    const decoded = new Float32Array(4)
    decodeToFloat32(shifted.subarray(1), dtype, decoded)
    expect([...decoded]).toEqual([...values])

    const target = new Uint8Array(bytes.byteLength + 1)
    encodeFloat32(values, dtype, target.subarray(1))
    expect([...target.subarray(1)]).toEqual([...bytes])
    expect(target[0]).toBe(0)
  })

  it('refuses buffers of the wrong length', () => {
    expect(() => decodeToFloat32(new Uint8Array(7), 'F16', new Float32Array(4))).toThrow(
      '4 F16 elements take 8 bytes, not 7.',
    )
    expect(() => encodeFloat32(new Float32Array(4), 'F32', new Uint8Array(8))).toThrow(
      '4 F32 elements take 16 bytes, not 8.',
    )
  })
})

describe('dtype names', () => {
  it('refuses an unknown name with the known ones and the nearest', () => {
    const error = catchError(() => parseDtype('BF61', 'x.safetensors: tensor "a"'))
    expect(error).toBeInstanceOf(FormatError)
    expect(error.message).toBe(
      'x.safetensors: tensor "a" has the unknown dtype "BF61"; known are F64, I64, U64, F32, I32, U32, F16, BF16, I16, U16, I8, U8, BOOL, F8_E4M3, F8_E5M2.',
    )
    expect(error.hint).toBe('Did you mean BF16?')
  })

  it.each(['F4', '__proto__', 'constructor', 'f32', ''])('does not know %j', name => {
    expect(() => parseDtype(name, 'x')).toThrow(FormatError)
  })
})

function catchError(work: () => unknown): FormatError {
  try {
    work()
  } catch (error) {
    if (error instanceof FormatError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
