import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRng, restoreRng } from '../src/rng.ts'

/** The published algorithm (xoshiro128** 1.1) in arbitrary-precision integers: a plain twin of the 32-bit code. */
function referenceOutputs(words: readonly number[], count: number): bigint[] {
  const mask = 0xffffffffn
  const rotl = (x: bigint, k: bigint): bigint => ((x << k) | (x >> (32n - k))) & mask
  const s = words.map(BigInt)
  return Array.from({ length: count }, () => {
    const result = (rotl((s[1]! * 5n) & mask, 7n) * 9n) & mask
    const t = (s[1]! << 9n) & mask
    s[2]! ^= s[0]!
    s[3]! ^= s[1]!
    s[1]! ^= s[2]!
    s[0]! ^= s[3]!
    s[2]! ^= t
    s[3] = rotl(s[3]!, 11n)
    return result
  })
}

describe('rng', () => {
  it('follows xoshiro128** word by word', () => {
    const words = [1, 2, 3, 4] as const
    const outputs = referenceOutputs(words, 2000)
    expect(outputs.slice(0, 4)).toEqual([11520n, 0n, 5927040n, 70819200n])
    const rng = restoreRng({ key: 0, words, spare: null })
    for (let i = 0; i < 2000; i += 2) {
      const expected = (Number(outputs[i]! >> 5n) * 2 ** 26 + Number(outputs[i + 1]! >> 6n)) / 2 ** 53
      expect(rng.uniform()).toBe(expected)
    }
  })

  it('continues bit by bit from a state that went through JSON, in the middle of a normal pair too', () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(20), (seed, steps) => {
        const rng = createRng(seed)
        for (let i = 0; i < steps; i++) rng.normal()
        const copy = restoreRng(JSON.parse(JSON.stringify(rng.state())))
        for (let i = 0; i < 10; i++) {
          expect(copy.normal()).toBe(rng.normal())
          expect(copy.integer(-3, 9)).toBe(rng.integer(-3, 9))
        }
      }),
    )
  })

  it('splits by label, whatever the parent has already drawn', () => {
    const fresh = createRng(7).split('a')
    const used = createRng(7)
    for (let i = 0; i < 99; i++) used.uniform()
    expect(used.split('a').uniform()).toBe(fresh.uniform())
    expect(createRng(7).split('b').uniform()).not.toBe(createRng(7).split('a').uniform())
  })

  it('gives seeds that differ in the high word different streams', () => {
    expect(createRng(2 ** 32).uniform()).not.toBe(createRng(0).uniform())
    expect(createRng(-1).uniform()).not.toBe(createRng(1).uniform())
    expect(() => createRng(0.5)).toThrow('Expected the seed to be a safe integer, got 0.5.')
  })

  it('has the moments of its distributions', () => {
    const rng = createRng(12345)
    const n = 200_000
    let sum = 0
    let squares = 0
    let fourth = 0
    for (let i = 0; i < n; i++) {
      const z = rng.normal()
      sum += z
      squares += z * z
      fourth += z ** 4
    }
    // Five standard errors of each moment: sd 1, sqrt(2), sqrt(96).
    expect(Math.abs(sum / n)).toBeLessThan(5 / Math.sqrt(n))
    expect(Math.abs(squares / n - 1)).toBeLessThan((5 * Math.SQRT2) / Math.sqrt(n))
    expect(Math.abs(fourth / n - 3)).toBeLessThan((5 * Math.sqrt(96)) / Math.sqrt(n))
    const counts = new Array<number>(7).fill(0)
    for (let i = 0; i < 70_000; i++) counts[rng.integer(0, 7)]!++
    const chi2 = counts.reduce((s, c) => s + (c - 10_000) ** 2 / 10_000, 0)
    expect(chi2).toBeLessThan(27.9) // 6 degrees of freedom, p = 1e-4
  })
})
