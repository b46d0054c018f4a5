import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { attraction, fitness, shareExamples, weakest } from '../../../src/strategies/niches/competition.ts'
import { fillMissing } from '../../../src/strategies/niches/missing.ts'
import { chooseParents, roulette } from '../../../src/strategies/niches/parents.ts'

const M2N2 = { alpha: 1, subtractWorst: false }
/** Four examples: three solve the first, one the second, two the third, nobody the fourth. */
const ROWS = [
  [1, 1, 0, 0],
  [1, 0, 1, 0],
  [1, 0, 1, 0],
]
/** f_ij, shape (K, N), row-major. */
const shared = (rows: readonly number[][], rule = M2N2) => {
  const { perPoint, from } = shareExamples(rows, rule)
  return rows.flatMap(row => row.map((s, j) => perPoint[j]! * (s - from[j]!)))
}
const fitnessOf = (rows: readonly number[][], rule = M2N2) => fitness(rows, shareExamples(rows, rule))

describe('competition for examples', () => {
  it('shares each example among its solvers', () => {
    const third = 1 / 3
    expect([...shared(ROWS)]).toEqual([third, 1, 0, 0, third, 0, 0.5, 0, third, 0, 0.5, 0])
    expect([...fitnessOf(ROWS)]).toEqual([1 + third, 0.5 + third, 0.5 + third])
  })

  it('counts what everyone solves, without sharing, for alpha = 0', () => {
    expect([...fitnessOf(ROWS, { alpha: 0, subtractWorst: false })]).toEqual([2, 2, 2])
  })

  it('shares less than fully between 0 and 1', () => {
    const f = fitnessOf(ROWS, { alpha: 0.5, subtractWorst: false })
    expect(f[0]).toBeCloseTo(1 / Math.sqrt(3) + 1, 15)
    expect(f[1]).toBeCloseTo(1 / Math.sqrt(3) + 1 / Math.sqrt(2), 15)
  })

  it('gives an example as many graded points as its best solver has', () => {
    const rows = [
      [0.75, 0.5],
      [0.25, 0],
    ]
    expect([...shared(rows)]).toEqual([0.75 * 0.75, 0.5, 0.75 * 0.25, 0])
  })

  it('counts from the worst score on where it is told to', () => {
    const rows = [
      [0.75, 0.5],
      [0.25, 0.5],
    ]
    expect([...shared(rows, { alpha: 1, subtractWorst: true })]).toEqual([0.5, 0, 0, 0])
  })

  it('hands out no more than there is: one per solved example', () => {
    const scores = fc.array(fc.array(fc.constantFrom(0, 1), { minLength: 6, maxLength: 6 }), {
      minLength: 1,
      maxLength: 8,
    })
    fc.assert(
      fc.property(scores, rows => {
        const total = fitnessOf(rows).reduce((sum, f) => sum + f, 0)
        const solved = rows[0]!.filter((_, j) => rows.some(row => row[j] === 1)).length
        expect(total).toBeCloseTo(solved, 12)
      }),
    )
  })

  it('drops the first of the weakest', () => {
    expect(weakest([2, 1, 1, 3])).toBe(1)
    expect(weakest([0, 0])).toBe(0)
  })
})

describe('attraction', () => {
  it('is what another scores where the first parent does not', () => {
    expect([...attraction(ROWS, shareExamples(ROWS, M2N2), 0)]).toEqual([0, 0.5, 0.5])
    expect([...attraction(ROWS, shareExamples(ROWS, M2N2), 1)]).toEqual([1, 0, 0])
  })
})

describe('the choice of parents', () => {
  const counts = (rows: readonly number[][], byAttraction: boolean, draws: number) => {
    const rng = createRng(3)
    const seen = new Map<string, number>()
    for (let i = 0; i < draws; i++) {
      const pair = chooseParents(rows, shareExamples(rows, M2N2), byAttraction, rng).join()
      seen.set(pair, (seen.get(pair) ?? 0) + 1 / draws)
    }
    return seen
  }

  it('draws the first by fitness and the second by attraction', () => {
    const seen = counts(ROWS, true, 20_000)
    const f = fitnessOf(ROWS)
    expect([...seen.keys()].sort()).toEqual(['0,1', '0,2', '1,0', '2,0']) // 1 and 2 add nothing to each other
    expect((seen.get('0,1') ?? 0) + (seen.get('0,2') ?? 0)).toBeCloseTo(f[0]! / 3, 1)
  })

  it('falls back on fitness among the others where nobody adds anything to the first', () => {
    const best = [
      [1, 1, 1],
      [1, 0, 0],
      [0, 0, 0],
    ]
    expect(counts(best, true, 2000).has('0,1')).toBe(true)
    expect(counts(best, true, 2000).has('0,2')).toBe(false)
  })

  it('never pairs anybody with themselves, and treats all alike where nobody scores', () => {
    const nothing = [[0], [0], [0]]
    for (const byAttraction of [true, false]) {
      for (const rows of [nothing, ROWS]) {
        const seen = [...counts(rows, byAttraction, 3000)]
        expect(seen.every(([pair]) => pair[0] !== pair[2])).toBe(true)
        if (rows === nothing) for (const [, share] of seen) expect(share).toBeCloseTo(1 / 6, 1)
      }
    }
  })

  it('follows the weights of the roulette, and skips zeros', () => {
    const rng = createRng(1)
    const seen = [0, 0, 0, 0]
    for (let i = 0; i < 10_000; i++) seen[roulette([0, 1, 0, 3], rng)]! += 1 / 10_000
    expect(seen[0]).toBe(0)
    expect(seen[2]).toBe(0)
    expect(seen[3]).toBeCloseTo(0.75, 1)
  })
})

describe('missing scores', () => {
  const _ = Number.NaN

  it('are what the example usually gets plus what the candidate is better than usual', () => {
    const rows = [
      [1, 1, 1, 0],
      [0.5, 0.5, 0, 0],
      [1, 1, _, _],
    ]
    const filled = fillMissing(rows)
    // q = 0.8333, 0.8333, 0.5, 0; the third is 0.1667 better than usual on what it has.
    expect(filled[2]![2]).toBeCloseTo(0.5 + 1 / 6, 12)
    expect(filled[2]![3]).toBe(0) // no better than the best known score there
    expect(filled[0]).toBe(rows[0])
  })

  it('are the mean of the candidate on an example nobody was scored on', () => {
    const rows = [
      [1, 0, _],
      [0, 0, _],
    ]
    expect(Array.from(fillMissing(rows)[0]!)).toEqual([1, 0, 0.5])
  })

  it('leave complete rows alone', () => {
    expect(fillMissing(ROWS)).toBe(ROWS)
  })

  it('do not make a candidate that was scored on half of the examples weaker than its twin', () => {
    const whole = [1, 0, 1, 0, 1, 0, 1, 0]
    const half = [1, 0, 1, 0, _, _, _, _]
    const other = [0, 1, 0, 1, 0, 1, 0, 1]
    const rows = fillMissing([whole, half, other])
    const f = fitness(rows, shareExamples(rows, M2N2))
    expect(f[1]).toBeGreaterThan(0.7 * f[0]!)
  })
})
