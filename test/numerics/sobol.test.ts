import { describe, expect, it } from 'vitest'
import { SOBOL_DIMENSIONS, SobolSequence } from '../../src/numerics/sobol.ts'
import { createRng } from '../../src/rng.ts'

const words = (sequence: SobolSequence, index: number): number[] => Array.from(sequence.point(index), u => u * 2 ** 32)

/** Whether every dyadic box of area 2^-k holds exactly one of the first 2^k points of coordinates a and b. */
function isNet(sequence: SobolSequence, k: number, a: number, b: number, from = 0): boolean {
  const points = Array.from({ length: 2 ** k }, (_, i) => sequence.point(from + i))
  for (let split = 0; split <= k; split++) {
    const boxes = new Set(
      points.map(p => Math.floor(p[a]! * 2 ** split) * 2 ** (k - split) + Math.floor(p[b]! * 2 ** (k - split))),
    )
    if (boxes.size !== 2 ** k) return false
  }
  return true
}

describe('SobolSequence without scrambling', () => {
  it('starts as published', () => {
    const sequence = new SobolSequence(6)
    const eighths = Array.from({ length: 8 }, (_, i) => Array.from(sequence.point(i), u => u * 8))
    expect(eighths).toEqual([
      [0, 0, 0, 0, 0, 0],
      [4, 4, 4, 4, 4, 4],
      [6, 2, 2, 2, 6, 6],
      [2, 6, 6, 6, 2, 2],
      [3, 3, 5, 7, 3, 1],
      [7, 7, 1, 3, 7, 5],
      [5, 1, 7, 5, 5, 7],
      [1, 5, 3, 1, 1, 3],
    ])
  })

  it('equals scipy 1.17.1 at index 12345 in all 1111 dimensions', () => {
    const point = words(new SobolSequence(SOBOL_DIMENSIONS), 12345)
    expect([0, 1, 5, 20, 100, 480, 481, 1110].map(i => point[i])).toEqual([
      2752774144, 3493593088, 252968960, 855900160, 2317090816, 3899916288, 804519936, 1851523072,
    ])
    expect(point.reduce((sum, word) => (sum * 31 + word) % 2 ** 32, 0)).toBe(2735996928)
  })

  it('gives the same leading coordinates whatever the dimension', () => {
    expect(words(new SobolSequence(3), 77)).toEqual(words(new SobolSequence(50), 77).slice(0, 3))
  })
})

describe('SobolSequence', () => {
  for (const [name, sequence] of [
    ['plain', new SobolSequence(40)],
    ['scrambled', new SobolSequence(40, createRng(3))],
  ] as const) {
    it(`hits every dyadic box of its first two coordinates once (${name})`, () => {
      for (let k = 1; k <= 8; k++) expect(isNet(sequence, k, 0, 1)).toBe(true)
      expect(isNet(sequence, 6, 0, 1, 64)).toBe(true)
      expect(isNet(sequence, 6, 0, 1, 3)).toBe(false)
    })

    it(`hits every interval of every coordinate once (${name})`, () => {
      const points = Array.from({ length: 64 }, (_, i) => sequence.point(i))
      for (let d = 0; d < 40; d++) expect(new Set(points.map(p => Math.floor(p[d]! * 64))).size).toBe(64)
    })
  }

  it('scrambles as the generator says', () => {
    const at = (seed: number): number[] => words(new SobolSequence(5, createRng(seed)), 9)
    expect(at(1)).toEqual(at(1))
    expect(at(1)).not.toEqual(at(2))
  })

  it('makes each scrambled point uniform', () => {
    let mean = 0
    let square = 0
    for (let seed = 0; seed < 2000; seed++) {
      const u = new SobolSequence(2, createRng(seed)).point(5)[1]!
      mean += u / 2000
      square += u ** 2 / 2000
    }
    expect(Math.abs(mean - 1 / 2)).toBeLessThan(0.03) // 4.6 standard errors
    expect(Math.abs(square - 1 / 3)).toBeLessThan(0.03)
  })

  it('integrates a smooth function of 8 coordinates far better than random points', () => {
    const product = (p: Float64Array): number => p.reduce((value, u) => value * (1 + (u - 0.5) / 2), 1) // integral 1
    const sequence = new SobolSequence(8, createRng(1))
    const rng = createRng(1)
    let sobol = 0
    let random = 0
    for (let i = 0; i < 4096; i++) {
      sobol += product(sequence.point(i)) / 4096
      random += product(Float64Array.from({ length: 8 }, () => rng.uniform())) / 4096
    }
    expect(Math.abs(sobol - 1)).toBeLessThan(1e-4)
    expect(Math.abs(random - 1)).toBeGreaterThan(1e-4)
  })

  it('refuses dimensions and indices it does not have', () => {
    expect(() => new SobolSequence(0)).toThrow('Expected 1 to 1111 Sobol dimensions, got 0.')
    expect(() => new SobolSequence(1112)).toThrow('Expected 1 to 1111 Sobol dimensions, got 1112.')
    expect(() => new SobolSequence(1).point(-1)).toThrow('Expected a Sobol index from 0 to 2^32 - 1, got -1.')
    expect(() => new SobolSequence(1).point(2 ** 32)).toThrow('Expected a Sobol index from 0 to 2^32 - 1')
    expect(new SobolSequence(1).point(2 ** 32 - 1)).toEqual(Float64Array.of(2 ** -32)) // Gray code 1000...0
  })
})
