import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Objective } from '../../../src/objective.ts'
import { decodeScores, encodeScores } from '../../../src/strategies/niches/score-codec.ts'
import { contest, scoreRow } from '../../../src/strategies/niches/score-rows.ts'
import type { ToldTrial } from '../../../src/strategies/strategy.ts'

const accuracy: Objective = { name: 'accuracy', direction: 'maximize', unit: '1', reference: 0, ideal: 1 }
const nats: Objective = { name: 'nats', direction: 'minimize', unit: 'nats', reference: 2, ideal: 0 }
const M2N2 = { alpha: 1, subtractWorst: false }
const trial = (losses: readonly number[] | undefined, exampleScores?: readonly Float32Array[]): ToldTrial => ({
  id: 0,
  genome: new Float64Array(1),
  parents: [],
  memo: null,
  losses,
  ...(exampleScores && { exampleScores }),
})

describe('the scores of a candidate', () => {
  it('are 0 at the reference and 1 at the ideal, whatever the direction', () => {
    const row = scoreRow(trial([-0.5, 1.5], [Float32Array.of(1, 0), Float32Array.of(0.5, 2.5)]), [accuracy, nats])!
    expect(row.map(part => [...part])).toEqual([
      [1, 0],
      [0.75, -0.25],
    ])
  })

  it('are the values where there are no examples, and nothing for a failed trial', () => {
    expect(scoreRow(trial([-0.5]), [accuracy])!.map(part => [...part])).toEqual([[0.5]])
    expect(scoreRow(trial(undefined), [accuracy])).toBeUndefined()
    expect(scoreRow(trial([Number.NaN]), [accuracy])).toBeUndefined()
  })
})

describe('a contest', () => {
  it('puts the examples of all objectives in one row, scores below the reference at zero', () => {
    const { rows, competition } = contest([[Float32Array.of(1, 0), Float32Array.of(0.5, -0.25)]], M2N2)
    expect(rows.map(row => [...row])).toEqual([[1, 0, 0.5, 0]])
    expect(competition).toEqual(M2N2)
  })

  it('spreads the value of a candidate without examples over the examples of the others', () => {
    const { rows } = contest([[Float32Array.of(1, 0, 1, 1)], [Float32Array.of(0.25)], [Float32Array.of(1, 0)]], M2N2)
    expect(rows.map(row => [...row])).toEqual([
      [1, 0, 1, 1],
      [0.25, 0.25, 0.25, 0.25],
      [0.5, 0.5, 0.5, 0.5],
    ])
  })

  it('counts from the worst on where nobody has examples', () => {
    const { rows, competition } = contest([[Float32Array.of(-3)], [Float32Array.of(-4)]], M2N2)
    expect(rows.map(row => [...row])).toEqual([[-3], [-4]])
    expect(competition).toEqual({ alpha: 1, subtractWorst: true })
  })
})

describe('the text of scores', () => {
  it('has a bit for each right or wrong answer', () => {
    const scores = Float32Array.from({ length: 1437 }, (_, j) => (j % 3 === 0 ? 1 : 0))
    const text = encodeScores(scores)
    expect(text.length).toBeLessThan(250)
    expect(decodeScores(text)).toEqual(scores)
  })

  it('comes back exactly, missing ones and the sign of zero included', () => {
    fc.assert(
      fc.property(fc.float32Array(), scores => {
        expect(decodeScores(encodeScores(scores))).toEqual(scores)
      }),
    )
    expect(decodeScores(encodeScores(Float32Array.of(-0)))).toEqual(Float32Array.of(-0))
  })

  it('is refused where it is something else', () => {
    for (const text of ['', 'x', 'b9:AA==', 'b:']) expect(() => decodeScores(text)).toThrow(RangeError)
  })
})
