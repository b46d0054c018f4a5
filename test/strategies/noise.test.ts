import { describe, expect, it } from 'vitest'
import { lossVariances } from '../../src/strategies/noise.ts'
import type { ToldTrial } from '../../src/strategies/strategy.ts'
import { maximize, minimize } from '../problems/problem.ts'

function trial(losses: readonly number[] | undefined, ...exampleScores: readonly number[][]): ToldTrial {
  return {
    id: 0,
    genome: Float64Array.of(0),
    parents: [],
    memo: null,
    losses,
    exampleScores: exampleScores.map(scores => Float32Array.from(scores)),
  }
}

describe('variances of losses', () => {
  const accuracy = maximize('accuracy', 0, 1)
  const error = minimize('error', 1, 0)

  it('are those of a proportion for scores of 0 and 1, with one success and one failure added', () => {
    const p = 4 / 6
    expect(lossVariances(trial([-0.75], [1, 1, 0, 1]), [accuracy])).toEqual([(p * (1 - p)) / 4])
    expect(lossVariances(trial([-1], [1, 1, 1, 1]), [accuracy])[0]).toBeGreaterThan(0)
  })

  it('are those of a mean for graded scores', () => {
    // Sample variance of 1, 2, 3, 6 is 14 / 3.
    expect(lossVariances(trial([3], [1, 2, 3, 6]), [error])[0]).toBeCloseTo(14 / 3 / 4, 12)
  })

  it('come per objective', () => {
    const [first, second] = lossVariances(trial([-0.5, 3], [0, 1], [2, 4]), [accuracy, error])
    expect(first).toBeCloseTo(0.125, 12)
    expect(second).toBeCloseTo(1, 12)
  })

  it('are unknown without scores of examples, for a failed trial, and where the loss is not their mean', () => {
    expect(lossVariances(trial([-0.75]), [accuracy])).toEqual([undefined])
    expect(lossVariances(trial([-0.75], []), [accuracy])).toEqual([undefined])
    expect(lossVariances(trial([-1], [1]), [accuracy])).toEqual([undefined])
    expect(lossVariances(trial(undefined, [1, 0]), [accuracy])).toEqual([undefined])
    expect(lossVariances(trial([-0.3], [1, 1, 0, 1]), [accuracy])).toEqual([undefined])
  })

  it('bear the rounding of single-precision scores', () => {
    expect(lossVariances(trial([0.2], [0.1, 0.3]), [error])[0]).toBeCloseTo(0.01, 6)
  })
})
