import { describe, expect, it } from 'vitest'
import { createRng, type Rng } from '../../src/rng.ts'
import { pieceAt } from '../../src/scalarization.ts'
import { paregoPieces } from '../../src/strategies/pareto-scalarization.ts'

/** The scalar loss of each row, for one draw of weights. */
function lossesOf(rows: readonly (readonly number[])[], rng: Rng): number[] {
  const pieces = paregoPieces(rows, rng)
  return rows.map(row => Math.max(...pieces.map(piece => pieceAt(piece, row))))
}

describe('ParEGO’s pieces', () => {
  it('are 0 for a point that is best in everything and largest for the worst', () => {
    for (let seed = 0; seed < 20; seed++) {
      const losses = lossesOf(
        [
          [1, 5, 2],
          [3, 9, 4],
          [2, 6, 3],
        ],
        createRng(seed),
      )
      expect(losses[0]).toBeCloseTo(0, 12)
      expect(losses[1]).toBeGreaterThan(losses[2]!)
    }
  })

  it('have weights that are uniform on the simplex', () => {
    // Points worst in one objective alone have loss 1.05 w_i, whose mean is 1.05 / 3 and variance 1.05² / 18.
    const draws = 4000
    const rng = createRng(1)
    const first = Array.from(
      { length: draws },
      () =>
        lossesOf(
          [
            [1, 0, 0],
            [0, 1, 0],
            [0, 0, 1],
          ],
          rng,
        )[0]! / 1.05,
    )
    const mean = first.reduce((sum, w) => sum + w, 0) / draws
    const variance = first.reduce((sum, w) => sum + (w - mean) ** 2, 0) / draws
    expect(mean).toBeCloseTo(1 / 3, 1)
    expect(variance).toBeCloseTo(1 / 18, 2)
  })

  it('take an objective that never changes as nothing', () => {
    expect(
      lossesOf(
        [
          [1, 7],
          [2, 7],
        ],
        createRng(1),
      )[0],
    ).toBeCloseTo(0, 12)
  })
})
