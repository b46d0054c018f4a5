import { describe, expect, it } from 'vitest'
import { lossStep } from '../../../src/strategies/cma-es/loss-step.ts'
import type { ToldTrial } from '../../../src/strategies/strategy.ts'
import { maximize, minimize } from '../../problems/problem.ts'

const trial = (losses: readonly number[] | undefined, exampleScores?: readonly Float32Array[]): ToldTrial => ({
  id: 0,
  genome: new Float64Array(1),
  parents: [],
  memo: null,
  losses,
  ...(exampleScores === undefined ? {} : { exampleScores }),
})
const right = (count: number, of: number): Float32Array => new Float32Array(of).fill(1, 0, count)

describe('lossStep', () => {
  const accuracy = maximize('accuracy', 0.5, 1)

  it('is 1/N for the share of N right answers, in either direction', () => {
    expect(lossStep(trial([-0.6], [right(30, 50)]), [accuracy], 'worst')).toBeCloseTo(0.02, 12)
    expect(lossStep(trial([0.4], [right(20, 50)]), [minimize('error', 1, 0)], 'worst')).toBeCloseTo(0.02, 12)
  })

  it('is the smallest step of several objectives after normalisation', () => {
    const objectives = [accuracy, maximize('other', 0, 1)]
    const scored = trial([-0.6, -0.5], [right(30, 50), right(50, 100)])
    // mean of normalised losses: 1/50 of a range of 0.5, and 1/100 of 1, each halved
    expect(lossStep(scored, objectives, 'mean')).toBeCloseTo(0.005, 12)
    // worst: the first is worse (0.8 to 0.5), so the second counts through the mean alone: 0.05 / 2 / 100
    expect(lossStep(scored, objectives, 'worst')).toBeCloseTo(0.00025, 12)
  })

  it('is 0 without scores, for graded ones, and where the loss is not their mean', () => {
    expect(lossStep(trial([-0.6]), [accuracy], 'worst')).toBe(0)
    expect(lossStep(trial(undefined), [accuracy], 'worst')).toBe(0)
    expect(lossStep(trial([-0.5], [Float32Array.of(0.5, 0.5)]), [accuracy], 'worst')).toBe(0)
    expect(lossStep(trial([-0.7], [right(30, 50)]), [accuracy], 'worst')).toBe(0)
    expect(lossStep(trial([-0.6], [new Float32Array()]), [accuracy], 'worst')).toBe(0)
  })
})
