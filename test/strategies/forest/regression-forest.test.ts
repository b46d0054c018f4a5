import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { type Feature, RegressionForest } from '../../../src/strategies/forest/regression-forest.ts'

const numeric: Feature = { kind: 'numeric' }

function grow(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  features: readonly Feature[],
  trees = 30,
) {
  return RegressionForest.fit(
    Float64Array.from(rows.flat()),
    Float64Array.from(targets),
    features,
    { trees },
    createRng(1),
  )
}

describe('a regression forest', () => {
  it('predicts equal targets exactly and without doubt', () => {
    const forest = grow([[0], [0.5], [1]], [2, 2, 2], [numeric])
    expect(forest.predict([0.3])).toEqual({ mean: 2, variance: 0 })
  })

  it('keeps what equal inputs leave open as variance: leaf means plus leaf variances over bootstrap samples', () => {
    // Leaves cannot be split; a bootstrap leaf of n draws from {0, 1} has mean p and variance p (1 - p), whose total is that of a coin.
    const n = 40
    const rows = Array.from({ length: n }, () => [0.5])
    const { mean, variance } = grow(
      rows,
      rows.map((_, i) => i % 2),
      [numeric],
      200,
    ).predict([0.5])
    expect(mean).toBeCloseTo(0.5, 1)
    expect(variance).toBeCloseTo(mean * (1 - mean), 12)
  })

  it('learns a step and a choice that matters', () => {
    const rng = createRng(2)
    const rows = Array.from({ length: 200 }, () => [rng.uniform(), rng.integer(0, 3), rng.uniform()])
    const target = (row: readonly number[]): number => (row[0]! > 0.4 ? 1 : 0) + (row[1] === 1 ? 3 : 0)
    const forest = grow(rows, rows.map(target), [numeric, { kind: 'choice', choices: 3 }, numeric])
    for (const row of [
      [0.1, 0, 0.5],
      [0.9, 1, 0.5],
      [0.2, 1, 0.1],
      [0.8, 2, 0.9],
    ]) {
      expect(Math.abs(forest.predict(row).mean - target(row))).toBeLessThan(0.15)
    }
  })

  it('is surer where it has data', () => {
    const rng = createRng(3)
    const rows = Array.from({ length: 60 }, () => [0.5 * rng.uniform()])
    const forest = grow([...rows, [1]], [...rows.map(row => row[0]!), 5], [numeric])
    expect(forest.predict([0.25]).variance).toBeLessThan(0.02 * forest.predict([0.8]).variance)
  })

  it('is a function of its generator', () => {
    const rows = [[0], [0.3], [0.7], [1]]
    expect(grow(rows, [1, 4, 2, 3], [numeric]).predict([0.6])).toEqual(
      grow(rows, [1, 4, 2, 3], [numeric]).predict([0.6]),
    )
  })

  it('copes with targets that differ by rounding only', () => {
    const forest = grow([[0], [1], [0.5]], [1, 1 + Number.EPSILON, 1], [numeric])
    expect(forest.predict([0.5]).mean).toBeCloseTo(1, 12)
    expect(forest.predict([0.5]).variance).toBeGreaterThanOrEqual(0)
  })
})
