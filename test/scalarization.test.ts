import { describe, expect, it } from 'vitest'
import { lossesOf, type Objective, referencePoint } from '../src/objective.ts'
import { normalizeLosses, scalarize, scalarVariance } from '../src/scalarization.ts'

const accuracy: Objective = { name: 'a', direction: 'maximize', unit: 'accuracy, 0..1', reference: 0, ideal: 1 }
const nll: Objective = { name: 'n', direction: 'minimize', unit: 'nats/example', reference: 2, ideal: 0 }
const size: Objective = { name: 's', direction: 'minimize', unit: 'bytes', reference: 100 }
const timing = { totalMs: 1, mergeMs: 0, inferenceMs: 1 }

describe('objectives', () => {
  it('turn raw values into losses with one sign flip, and failures into undefined', () => {
    expect(lossesOf({ status: 'scored', values: [0.9, 0.4], timing }, [accuracy, nll])).toEqual([-0.9, 0.4])
    expect(lossesOf({ status: 'failed', kind: 'threw', reason: 'x', timing }, [accuracy])).toBeUndefined()
    expect(referencePoint([accuracy, nll])).toEqual([-0, 2])
  })
})

describe('scalarization', () => {
  it('normalises to 0 at the ideal and 1 at the reference, whatever the direction', () => {
    expect(normalizeLosses([-1, 2], [accuracy, nll])).toEqual([0, 1])
    expect(normalizeLosses([-0.25, 1], [accuracy, nll])).toEqual([0.75, 0.5])
    expect(normalizeLosses([50], [size])).toEqual([0.5])
  })

  it('has the error of the objective that decides, and a little of the others', () => {
    const two = [accuracy, { ...accuracy, name: 'b' }]
    // Slopes: 1 + 0.05 / 2 of the worst, 0.05 / 2 of the other.
    expect(scalarVariance('worst', [-0.5, -0.9], [0.01, 0.04], two)).toBeCloseTo(
      1.025 ** 2 * 0.01 + 0.025 ** 2 * 0.04,
      12,
    )
    expect(scalarVariance('mean', [-0.5, -0.9], [0.01, 0.04], two)).toBeCloseTo(0.05 / 4, 12)
    expect(scalarVariance('worst', [-0.5], [0.01], [accuracy])).toBeCloseTo(0.01, 12)
  })

  it('lets the worst objective count and the mean break ties', () => {
    const objectives = [accuracy, nll]
    const balanced = scalarize('worst', [-0.6, 0.8], objectives)
    const lopsided = scalarize('worst', [-1, 1.4], objectives)
    expect(balanced).toBeCloseTo(0.4 + 0.05 * 0.4, 12)
    expect(lopsided).toBeGreaterThan(balanced)
    expect(scalarize('worst', [-0.7, 0.8], objectives)).toBeLessThan(balanced)
    expect(scalarize('mean', [-0.6, 0.8], objectives)).toBeCloseTo(0.4, 12)
  })

  it('leaves a single objective as it is', () => {
    expect(scalarize('worst', [1e-9], [size])).toBe(1e-9)
  })
})
