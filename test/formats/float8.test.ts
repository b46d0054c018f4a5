import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { decodeToFloat32, encodeFloat32 } from '../../src/formats/dtype.ts'
import type { Float8 } from '../../src/formats/float8.ts'

/** By `bench/peers/make_float8.py`, whose package ml_dtypes is what JAX and PyTorch's tests use. */
const GOLD = JSON.parse(readFileSync(new URL('../fixtures/formats/float8.json', import.meta.url), 'utf8')) as Record<
  Float8,
  { readonly decoded: readonly number[]; readonly given: readonly number[]; readonly encoded: readonly number[] }
>
const ALL = Uint8Array.from({ length: 256 }, (_, i) => i)
const floatsOf = (bits: readonly number[]) => new Float32Array(Uint32Array.from(bits).buffer)

function decode(dtype: Float8): Float32Array {
  const out = new Float32Array(256)
  decodeToFloat32(ALL, dtype, out)
  return out
}

/** (-1)^s 2^(e - bias) (1 + f), and 2^(1 - bias) f where e is 0: the definition, with the bits cut out of the pattern as text. */
function byDefinition(pattern: number, exponentBits: number, bias: number): number {
  const bits = pattern.toString(2).padStart(8, '0')
  const e = Number.parseInt(bits.slice(1, 1 + exponentBits), 2)
  const fraction = bits.slice(1 + exponentBits)
  const f = Number.parseInt(fraction, 2) / 2 ** fraction.length
  return (bits[0] === '1' ? -1 : 1) * (e === 0 ? 2 ** (1 - bias) * f : 2 ** (e - bias) * (1 + f))
}

describe.each(['F8_E4M3', 'F8_E5M2'] as const)('%s', dtype => {
  it('decodes every pattern as the reference does', () => {
    const expected = floatsOf(GOLD[dtype].decoded)
    for (const [i, value] of decode(dtype).entries())
      if (!Object.is(value, expected[i])) expect([i, value]).toEqual([i, expected[i]])
  })

  it('decodes every finite pattern to the value of its definition', () => {
    const [exponentBits, bias] = dtype === 'F8_E4M3' ? [4, 7] : [5, 15]
    let finite = 0
    for (const [i, value] of decode(dtype).entries()) {
      if (!Number.isFinite(value)) continue
      finite++
      if (!Object.is(value, byDefinition(i, exponentBits!, bias!)))
        expect(value).toBe(byDefinition(i, exponentBits!, bias!))
    }
    expect(finite).toBe(dtype === 'F8_E4M3' ? 254 : 248)
  })

  it('rounds to nearest, ties to even, as the reference does', () => {
    const { given, encoded } = GOLD[dtype]
    const out = new Uint8Array(given.length)
    encodeFloat32(floatsOf(given), dtype, out)
    for (const [i, pattern] of out.entries())
      if (pattern !== encoded[i]) expect([floatsOf(given)[i], pattern]).toEqual([floatsOf(given)[i], encoded[i]])
    expect(given.length).toBeGreaterThan(1000)
  })

  it('keeps every pattern but those of NaN, which stay NaN', () => {
    const out = new Uint8Array(256)
    encodeFloat32(decode(dtype), dtype, out)
    const again = new Float32Array(256)
    decodeToFloat32(out, dtype, again)
    for (const [i, value] of decode(dtype).entries())
      if (Number.isNaN(value)) expect(again[i]).toBeNaN()
      else if (out[i] !== i) expect(out[i]).toBe(i)
  })
})
