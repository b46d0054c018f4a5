import { describe, expect, it } from 'vitest'
import { decodeToFloat32, encodeFloat32 } from '../../src/formats/dtype.ts'
import { narrow, widen } from '../../src/merge/convert.ts'
import { allocateSharedMemory, instantiateKernel } from '../../src/merge/kernel/load.ts'
import { bits } from './fixture.ts'

const memory = allocateSharedMemory(4 << 20)
const kernel = instantiateKernel(memory)
const FROM = 64
const TO = 2 << 20

function narrowed(values: Float32Array, dtype: 'F16' | 'BF16'): Uint8Array {
  new Float32Array(memory.buffer, FROM, values.length + 16).fill(0).set(values)
  narrow(kernel, memory, dtype, FROM, TO, values.length)
  return new Uint8Array(memory.buffer, TO, values.length * 2).slice()
}

function encoded(values: Float32Array, dtype: 'F16' | 'BF16'): Uint8Array {
  const target = new Uint8Array(values.length * 2)
  encodeFloat32(values, dtype, target)
  return target
}

describe.each(['F16', 'BF16'] as const)('%s in the kernel', dtype => {
  const all = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer)
  const plain = new Float32Array(65536)
  decodeToFloat32(all, dtype, plain)

  it('becomes the float32 of the plain decoder, for every bit pattern, infinities and NaNs included', () => {
    new Uint8Array(memory.buffer, FROM, all.length).set(all)
    widen(kernel, memory, dtype, FROM, TO, 65536)
    expect(
      Buffer.compare(
        new Uint8Array(bits(new Float32Array(memory.buffer, TO, 65536)).buffer),
        new Uint8Array(bits(plain).buffer),
      ),
    ).toBe(0)
  })

  it('is rounded as by the plain encoder, at, below and above every half way point', () => {
    const finite = plain.filter(Number.isFinite)
    const largest = finite.reduce((a, b) => Math.max(a, b))
    const steps = new Uint32Array(finite.length * 6)
    finite.forEach((value, i) => {
      const at = bits(Float32Array.of(value))[0]!
      const half = dtype === 'BF16' ? 0x8000 : 0x1000 // of the last place, for normal numbers
      steps.set([at, at + 1, at + half - 1, at + half, at + half + 1, at + 2 * half - 1], i * 6)
    })
    const values = new Float32Array(steps.buffer).filter(value => Math.abs(value) <= largest)
    // float16 subnormals have their half way points elsewhere: odd multiples of 2^-25.
    const small = Float32Array.from({ length: 6200 }, (_, i) => ((i - 3100) * 2 ** -25 * 3) / 4)
    for (const list of [values, small]) {
      for (let at = 0; at < list.length; at += 65536) {
        const part = list.slice(at, at + 65536)
        expect(Buffer.compare(narrowed(part, dtype), encoded(part, dtype))).toBe(0)
      }
    }
  })
})

describe('a conversion', () => {
  it.each(['F64', 'F32', 'F16', 'BF16'] as const)('from %s fills up its last block with zeros', dtype => {
    new Uint8Array(memory.buffer, FROM, 1024).fill(0x3c)
    new Uint8Array(memory.buffer, TO, 1024).fill(0x3c)
    widen(kernel, memory, dtype, FROM, TO, 17)
    const values = new Float32Array(memory.buffer, TO, 33)
    expect([...values.subarray(17, 32)]).toEqual(Array(15).fill(0))
    expect(values[16]).not.toBe(0)
    expect(values[32]).not.toBe(0)
  })
})
