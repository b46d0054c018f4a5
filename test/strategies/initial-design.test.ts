import { describe, expect, it } from 'vitest'
import { SOBOL_DIMENSIONS } from '../../src/numerics/sobol.ts'
import { createRng } from '../../src/rng.ts'
import { InitialDesign } from '../../src/strategies/initial-design.ts'
import { mixed } from '../problems/multi-objective.ts'
import { isInside, realDomain } from '../problems/problem.ts'

describe('the initial design', () => {
  it('starts with the declared start and the known recipes, each once', () => {
    const domain = realDomain(2, 0, 1)
    const guess = Float64Array.of(0.1, 0.9)
    const design = new InitialDesign(domain, [domain.initial.slice(), guess, guess.slice()], createRng(1))
    expect(design.known).toBe(2)
    expect(design.genome(0)).toEqual(domain.initial)
    expect(design.genome(1)).toEqual(guess)
  })

  it('goes on evenly: of 16 points after the start, one in each sixteenth of every gene', () => {
    const design = new InitialDesign(realDomain(3, 0, 1), undefined, createRng(2))
    const points = Array.from({ length: 16 }, (_, i) => design.genome(1 + i))
    for (let j = 0; j < 3; j++) {
      expect(new Set(points.map(point => Math.floor(16 * point[j]!))).size).toBe(16)
    }
  })

  it('is a function of place and seed', () => {
    const { domain } = mixed()
    const [first, second] = [1, 1].map(seed => new InitialDesign(domain, undefined, createRng(seed)))
    expect(second!.genome(20)).toEqual(first!.genome(20))
    expect(new InitialDesign(domain, undefined, createRng(2)).genome(20)).not.toEqual(first!.genome(20))
    expect(isInside(domain, first!.genome(20))).toBe(true)
  })

  it('has uniform points where the sequence ends', () => {
    const domain = realDomain(SOBOL_DIMENSIONS + 1, 0, 1)
    const design = new InitialDesign(domain, undefined, createRng(1))
    expect(isInside(domain, design.genome(1))).toBe(true)
    expect(design.genome(1)).toEqual(design.genome(1))
    expect(design.genome(2)).not.toEqual(design.genome(1))
  })
})
