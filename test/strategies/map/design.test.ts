import { describe, expect, it } from 'vitest'
import type { Domain, Gene } from '../../../src/candidate.ts'
import {
  atWeights,
  knownGenomes,
  sampleSize,
  sourceGenes,
  stretched,
  togetherGenomes,
} from '../../../src/strategies/map/design.ts'
import { leafGenomes } from '../../../src/strategies/map/nested.ts'
import { realDomain } from '../../problems/problem.ts'

const real = (name: string, low: number, high: number, initial: number): Gene => ({
  kind: 'real',
  name,
  low,
  high,
  scale: 'linear',
  initial,
})

function domainOf(...genes: Gene[]): Domain {
  return { genes, initial: Float64Array.from(genes, gene => gene.initial) }
}

const layered = domainOf(
  real('lambda', 0, 2, 1.2),
  real('layers.0-1/math/weight', 0, 1.5, 0.5),
  real('layers.0-1/code/weight', 0.1, 0.8, 0.5),
  real('layers.2-3/math/weight', 0, 1.5, 0.5),
)

describe('sampleSize', () => {
  it('is one and a half trials per coefficient of the full quadratic, within half the budget', () => {
    expect(sampleSize(['full', 'diagonal'], 3, undefined)).toBe(15)
    expect(sampleSize(['full', 'diagonal'], 3, 100)).toBe(15)
    expect(sampleSize(['full', 'diagonal'], 3, 24)).toBe(12)
  })

  it('falls back to the diagonal quadratic, and to as few trials as it needs', () => {
    expect(sampleSize(['full', 'diagonal'], 10, 100)).toBe(32)
    expect(sampleSize(['full', 'diagonal'], 10, 30)).toBe(24)
  })

  it('refuses a budget that no model can be fitted from', () => {
    expect(() => sampleSize(['full', 'diagonal'], 24, 50)).toThrow(
      'Strategy "map" needs 54 evaluations to fit a diagonal quadratic to 24 genes, but the budget is 50.',
    )
    expect(() => sampleSize(['full'], 10, 60)).toThrow('needs 73 evaluations to fit a full quadratic to 10 genes')
  })
})

describe('structured sample', () => {
  it('knows the source of a weight by the name of its gene', () => {
    expect(sourceGenes(layered)).toEqual([[1, 3], [2]])
    expect(sourceGenes(realDomain(3, 0, 1))).toEqual([[0], [1], [2]])
  })

  it('holds each source alone, as far as the bounds allow, and everything else at its start', () => {
    expect(leafGenomes(layered).map(genome => [...genome])).toEqual([
      [1.2, 1, 0.1, 1],
      [1.2, 0, 0.8, 0],
    ])
    expect(togetherGenomes(layered).map(genome => [...genome])).toEqual([
      [1.2, 0.5, 0.5, 0.5],
      [1.2, 1, 0.8, 1],
    ])
  })

  it('stretches points to the ends of every coordinate', () => {
    const points = [Float64Array.of(0.2, 0.9), Float64Array.of(0.6, 0.5), Float64Array.of(0.3, 0.7)]
    expect(stretched(points).map(point => [...point].map(v => Number(v.toFixed(6))))).toEqual([
      [0, 1],
      [1, 0],
      [0.25, 0.5],
    ])
    expect(stretched(points.slice(0, 1))).toEqual(points.slice(0, 1))
  })

  it('rounds integer genes', () => {
    const domain = domainOf({ kind: 'integer', name: 'a', low: 0, high: 3, initial: 2 })
    expect([...atWeights(domain, () => 0.4)]).toEqual([0])
  })

  it('proposes the start and each known recipe once, as copies', () => {
    const guess = Float64Array.of(1, 0.2, 0.3, 0.4)
    const genomes = knownGenomes(layered, [guess, layered.initial, guess])
    expect(genomes).toEqual([layered.initial, guess])
    expect(genomes[1]).not.toBe(guess)
  })
})
