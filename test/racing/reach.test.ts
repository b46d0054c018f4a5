import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Objective } from '../../src/objective.ts'
import { nextReach } from '../../src/racing/reach.ts'
import { rungSizes } from '../../src/racing/rungs.ts'
import { createRng } from '../../src/rng.ts'

const ACCURACY: Objective = {
  name: 'accuracy',
  direction: 'maximize',
  unit: 'accuracy, 0..1',
  reference: 0,
  perExample: { low: 0, high: 1 },
}
const SIZES = rungSizes([1000], 1.8) // 53, 96, 172, 309, 556, 1000

/** Candidates whose accuracies have the standard deviation `spread`, each scored on the same examples of unequal difficulty. */
function table(spread: number, examples: number, seed: number): Float32Array[][] {
  const rng = createRng(seed)
  const difficulty = Array.from({ length: examples }, () => 0.15 * rng.normal())
  return Array.from({ length: 20 }, () => {
    const ability = 0.5 + spread * rng.normal()
    return [Float32Array.from(difficulty, d => (rng.uniform() < ability + d ? 1 : 0))]
  })
}

describe('how far candidates are scored', () => {
  it('is one rung more where luck is as large as the differences, one less where they are plain, never past the limit', () => {
    // Reliability 0.8 takes 4 s² / V examples, s² about 0.23: 1,500 for a deviation of 0.025, 23 for one of 0.2.
    const votes = (spread: number, rung: number): number =>
      Array.from({ length: 40 }, (_, seed) =>
        nextReach(rung, SIZES, 3, table(spread, SIZES[rung]![0]!, seed), [ACCURACY]),
      ).reduce((sum, next) => sum + next - rung, 0)
    expect(votes(0.025, 1)).toBe(40)
    expect(votes(0.025, 3)).toBe(0)
    expect(votes(0.2, 3)).toBe(-40)
    expect(votes(0.2, 0)).toBeLessThan(4)
    expect(Math.abs(votes(Math.sqrt((4 * 0.22) / 130), 2))).toBeLessThan(40) // 130 of 96 to 172: there it stays, or wavers
  })

  it('does not depend on how hard the examples are', () => {
    const rows = table(0.1, 96, 1)
    const shifted = rows.map(([scores]) => [Float32Array.from(scores!, (score, j) => score + (j % 7))])
    expect(nextReach(1, SIZES, 3, shifted, [ACCURACY])).toBe(nextReach(1, SIZES, 3, rows, [ACCURACY]))
  })

  it('follows the objective that is the hardest to rank; one without examples has no say', () => {
    const sizes = rungSizes([1000, 1000, 0], 1.8)
    const rows = table(0.2, 309, 1).map(([plain], i) => [plain!, table(0.01, 309, 2)[i]![0]!, new Float32Array()])
    expect(nextReach(3, sizes, 3, rows, [ACCURACY, ACCURACY, ACCURACY])).toBe(3)
    const both = rows.map(([plain, , none]) => [plain!, plain!, none!])
    expect(nextReach(3, sizes, 3, both, [ACCURACY, ACCURACY, ACCURACY])).toBe(2)
  })

  it('goes up where all scores are equal, stays where there are hardly any', () => {
    const equal = Array.from({ length: 9 }, () => [new Float32Array(53).fill(1)])
    expect(nextReach(0, SIZES, 3, equal, [ACCURACY])).toBe(1)
    expect(nextReach(2, SIZES, 3, equal.slice(0, 4), [ACCURACY])).toBe(2)
  })

  it('moves by one rung at most, whatever the scores', () => {
    const scores = fc.float32Array({
      minLength: 20,
      maxLength: 40,
      noNaN: true,
      noDefaultInfinity: true,
      max: 1,
      min: 0,
    })
    fc.assert(
      fc.property(fc.array(scores, { maxLength: 12 }), fc.nat(3), (rows, rung) => {
        const next = nextReach(
          rung,
          SIZES,
          3,
          rows.map(row => [row]),
          [ACCURACY],
        ) // prettier-ignore
        expect(Math.abs(next - rung)).toBeLessThanOrEqual(1)
        expect(next).toBeGreaterThanOrEqual(0)
        expect(next).toBeLessThanOrEqual(3)
      }),
    )
  })
})
