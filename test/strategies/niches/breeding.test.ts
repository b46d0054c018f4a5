import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Domain, Gene } from '../../../src/candidate.ts'
import { createRng } from '../../../src/rng.ts'
import { createSearchSpace } from '../../../src/space/build-space.ts'
import { genomeSchema } from '../../../src/space/genome-config.ts'
import { readPieces } from '../../../src/space/piecewise.ts'
import { GenomeBreeding } from '../../../src/strategies/niches/genome-breeding.ts'
import { PieceBreeding } from '../../../src/strategies/niches/piece-breeding.ts'
import { angle, slerpFactors } from '../../../src/strategies/niches/slerp.ts'
import { mixed } from '../../problems/multi-objective.ts'
import { isInside } from '../../problems/problem.ts'

const layered: Domain = {
  genes: [0, 1, 2, 3].flatMap(layer =>
    ['a', 'b'].map(
      (source): Gene => ({
        kind: 'real',
        name: `layers.${layer}/${source}/weight`,
        low: 0,
        high: 2,
        scale: 'linear',
        initial: 0.5,
      }),
    ),
  ),
  initial: new Float64Array(8).fill(0.5),
}

describe('children of genomes', () => {
  const x = Float64Array.of(1, 0, 1, 0, 1, 0, 1, 0)
  const y = Float64Array.of(0, 1, 0, 1, 0, 1, 0, 1)

  it('are mixed one way before a split point between layers and the other way after it', () => {
    const breeding = new GenomeBreeding(layered, 'split', 0)
    const splits = new Set<number>()
    for (let seed = 0; seed < 60; seed++) {
      const child = breeding.child(x, y, createRng(seed))
      const rows = [0, 1, 2, 3].map(layer => [child[2 * layer]!, child[2 * layer + 1]!] as const)
      for (const [a, b] of rows) expect(a * a + b * b).toBeCloseTo(1, 12) // on the circle between orthogonal parents
      const split = rows.findIndex(([a]) => a !== rows[0]![0])
      splits.add(split)
      for (const [layer, [a, b]] of rows.entries()) {
        const expected = split >= 0 && layer >= split ? [rows[0]![1], rows[0]![0]] : rows[0]!
        expect(a).toBeCloseTo(expected[0]!, 12)
        expect(b).toBeCloseTo(expected[1]!, 12)
      }
    }
    expect([...splits].sort()).toEqual([-1, 1, 2, 3])
  })

  it('are mixed alike everywhere without a split point, and copies without crossover', () => {
    const child = new GenomeBreeding(layered, 'slerp', 0).child(x, y, createRng(1))
    expect(new Set(child).size).toBe(2)
    expect(new GenomeBreeding(layered, 'none', 0).child(x, y, createRng(1))).toEqual(x)
  })

  it('are about halfway for CycleQD', () => {
    const child = new GenomeBreeding(layered, 'average', 0).child(x, y, createRng(1))
    for (const value of child) expect(value).toBeCloseTo(0.5, 1)
    expect(child[0]! + child[1]!).toBeCloseTo(1, 12)
  })

  it('stay inside the bounds, with every kind of gene, however much they mutate', () => {
    const { domain, optimizer } = mixed()
    for (const mutation of [0, 0.1, 1]) {
      const breeding = new GenomeBreeding(domain, 'split', mutation)
      for (let seed = 0; seed < 200; seed++) {
        const child = breeding.child(optimizer, domain.initial, createRng(seed))
        expect(isInside(domain, child), `[${[...child]}]`).toBe(true)
      }
    }
  })
})

describe('children of models', () => {
  const S = 2
  const TENSORS = [7, 20, 3]
  const names = TENSORS.map((_, t) => `layers.${t}.w`)
  const G = 30
  const models = [0, 1].map(s => Array.from({ length: G }, (_, e) => Math.sin(3 * e + s) + 0.3 * s))
  const products = Float32Array.from({ length: G * 3 }, (_, i) => {
    const [e, p] = [Math.floor(i / 3), i % 3]
    return models[p === 2 ? 1 : 0]![e]! * models[p === 0 ? 0 : 1]![e]!
  })
  const space = createSearchSpace(
    genomeSchema.parse({ merge_method: 'linear', pieces: { max: 40 }, weight: { min: -5, max: 5 } }),
    names,
    ['a', 'b'],
    undefined,
    { elements: TENSORS, products },
  )
  const geometry = space.pieces!
  const dense = (genome: Float64Array) => {
    const { ends, weights } = readPieces(genome, geometry)
    return Array.from({ length: G }, (_, e) => {
      const row = weights[ends.findIndex(end => end > e)]!
      return row.reduce((sum, w, s) => sum + w * models[s]![e]!, 0)
    })
  }
  const dot = (u: readonly number[], v: readonly number[]) => u.reduce((sum, value, e) => sum + value * v[e]!, 0)

  it('are, generation after generation, what whole weight vectors would give', () => {
    const breeding = new PieceBreeding(space, geometry, 'split', 0)
    fc.assert(
      fc.property(fc.integer(), seed => {
        const rng = createRng(seed)
        const family = [...space.anchors!]
        for (let generation = 0; generation < 12; generation++) {
          const [x, y] = [family[rng.integer(0, family.length)]!, family[rng.integer(0, family.length)]!]
          const [u, v] = [dense(x), dense(y)]
          const twin = createRng(generation)
          const Ω = angle(dot(u, u), dot(u, v), dot(v, v))
          const t = twin.uniform()
          const [before, after] = [slerpFactors(t, Ω), slerpFactors(1 - t, Ω)]
          const split = twin.integer(0, G)
          const child = breeding.child(x, y, createRng(generation))
          for (const [e, value] of dense(child).entries()) {
            const [p, q] = e < split ? before : after
            expect(value).toBeCloseTo(p * u[e]! + q * v[e]!, 4) // the Gram matrices are float32
          }
          family.push(child)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('have weights that mutate only where it is asked for', () => {
    const [a, b] = space.anchors!
    const mutated = new PieceBreeding(space, geometry, 'none', 0.1).child(a!, b!, createRng(4))
    expect(mutated).not.toEqual(a)
    expect(readPieces(mutated, geometry).ends).toEqual([G])
    expect(new PieceBreeding(space, geometry, 'none', 0).child(a!, b!, createRng(4))).toEqual(a)
    expect(mutated).toHaveLength(39 + 40 * S)
  })
})
