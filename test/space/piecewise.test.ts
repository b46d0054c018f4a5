import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Domain, PieceGeometry } from '../../src/candidate.ts'
import { combine, fuse, innerProduct, type Piecewise, readPieces, writePieces } from '../../src/space/piecewise.ts'

const G = 12
const S = 2
const N = 6

/** Two sources with a number per cell; a piecewise combination is then a vector of G numbers, which is the plain twin. */
const SOURCES = [Array.from({ length: G }, (_, g) => g - 4), Array.from({ length: G }, (_, g) => (g * g) % 7)]
const gram = new Float64Array((G + 1) * S * S)
for (let g = 0; g < G; g++) {
  for (let i = 0; i < S; i++)
    for (let j = 0; j < S; j++) {
      const at = i * S + j
      gram[(g + 1) * S * S + at] = gram[g * S * S + at]! + SOURCES[i]![g]! * SOURCES[j]![g]!
    }
}
const geometry: PieceGeometry = { sources: S, max: N, cells: G, gram }
const genes = Array.from({ length: N - 1 + N * S }, (_, i) => ({
  kind: 'real' as const,
  name: `g${i}`,
  low: i < N - 1 ? 0 : -2,
  high: i < N - 1 ? 1 : 2,
  scale: 'linear' as const,
  initial: 0,
}))
const domain: Domain = { genes, initial: new Float64Array(genes.length) }

const genome = fc
  .tuple(
    fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: N - 1, maxLength: N - 1 }),
    fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: N * S, maxLength: N * S }),
  )
  .map(([breaks, weights]) => Float64Array.of(...breaks, ...weights))
const pieces = genome.map(x => readPieces(x, geometry))

const weightsAt = ({ ends, weights }: Piecewise, g: number) => weights[ends.findIndex(end => end > g)]!
const dense = (x: Piecewise) =>
  Array.from({ length: G }, (_, g) => weightsAt(x, g).reduce((sum, w, s) => sum + w * SOURCES[s]![g]!, 0))

describe('piecewise combinations', () => {
  it('have no empty piece, no equal neighbours, and end with the model', () => {
    fc.assert(
      fc.property(pieces, ({ ends, weights }) => {
        expect(ends.at(-1)).toBe(G)
        expect(ends.every((end, k) => end > (ends[k - 1] ?? 0))).toBe(true)
        expect(weights).toHaveLength(ends.length)
      }),
    )
  })

  it('come back from the genome they are written to', () => {
    fc.assert(
      fc.property(pieces, x => {
        expect(readPieces(writePieces(x, domain, geometry), geometry)).toEqual(x)
      }),
    )
  })

  it('take breakpoints in any order', () => {
    const weights = Array.from({ length: N * S }, (_, i) => i / 10)
    const read = (breaks: readonly number[]) => readPieces(Float64Array.of(...breaks, ...weights), geometry)
    expect(read([0.9, 0.1, 0.5, 0.3, 0.7])).toEqual(read([0.1, 0.3, 0.5, 0.7, 0.9]))
  })

  it('have the inner product of the vectors they stand for', () => {
    fc.assert(
      fc.property(pieces, pieces, (x, y) => {
        const [u, v] = [dense(x), dense(y)]
        const plain = u.reduce((sum, value, g) => sum + value * v[g]!, 0)
        expect(innerProduct(x, y, geometry)).toBeCloseTo(plain, 8)
      }),
    )
  })

  it('combine to what their vectors combine to, before and after the split', () => {
    fc.assert(
      fc.property(pieces, pieces, fc.integer({ min: 0, max: G }), (x, y, split) => {
        const child = combine(x, y, split, [0.3, 0.8], [0.6, -0.2])
        const [u, v] = [dense(x), dense(y)]
        for (const [g, value] of dense(child).entries()) {
          const [p, q] = g < split ? [0.3, 0.8] : [0.6, -0.2]
          expect(value).toBeCloseTo(p * u[g]! + q * v[g]!, 10)
        }
        expect(child.ends.length).toBeLessThanOrEqual(x.ends.length + y.ends.length)
      }),
    )
  })

  it('fuse the neighbours that lose least, into their mean by length', () => {
    const x: Piecewise = { ends: [2, 8, 10, 12], weights: [[1], [0], [0.5], [0.6]] }
    expect(fuse(x, 4)).toEqual(x)
    expect(fuse(x, 3).ends).toEqual([2, 8, 12])
    expect(fuse(x, 3).weights[2]![0]).toBeCloseTo(0.55, 15)
    expect(fuse(x, 2).ends).toEqual([2, 12]) // 6 · 4 / 10 · 0.55² = 0.73 against 2 · 6 / 8 · 1 = 1.5
    expect(fuse(x, 2).weights[1]![0]).toBeCloseTo(0.22, 15)
  })

  it('are cut at the bounds of the genes, and fused, where a genome has no room for them', () => {
    const many: Piecewise = { ends: [1, 2, 3, 4, 5, 6, 7, 12], weights: Array.from({ length: 8 }, (_, k) => [k, -k]) }
    const x = writePieces(many, domain, geometry)
    expect(x.every((value, i) => value >= genes[i]!.low && value <= genes[i]!.high)).toBe(true)
    expect(readPieces(x, geometry).ends.length).toBeLessThanOrEqual(N)
  })
})
