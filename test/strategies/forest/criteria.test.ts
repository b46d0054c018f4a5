import { describe, expect, it } from 'vitest'
import { logH } from '../../../src/numerics/normal.ts'
import { createRng } from '../../../src/rng.ts'
import { largestCriterion, lossCriterion } from '../../../src/strategies/forest/criteria.ts'
import { ForestSpace } from '../../../src/strategies/forest/forest-space.ts'
import { RegressionForest } from '../../../src/strategies/forest/regression-forest.ts'
import { realDomain } from '../../problems/problem.ts'

const space = new ForestSpace(realDomain(1, 0, 1))
const at = Array.from({ length: 41 }, (_, i) => i / 40)
const inputs = at.map(x => space.input(Float64Array.of(x)))
const grown = (losses: readonly number[]): RegressionForest =>
  RegressionForest.fit(
    Float64Array.from(inputs.flatMap(input => [...input])),
    Float64Array.from(losses),
    space.features,
    { trees: 20 },
    createRng(1),
  )

describe('what a forest’s next candidate improves', () => {
  const [rising, falling] = [grown(at.map(x => 3 * x)), grown(at.map(x => 2 - 2 * x))]
  const pieces = [
    { offset: 0, slopes: [1, 0] },
    { offset: 0, slopes: [0, 1] },
  ]

  it('with one loss is its expected improvement', () => {
    const { logExpectedImprovement, believed } = lossCriterion(rising, inputs)
    const best = Math.min(...believed)
    const { mean, variance } = rising.predict(inputs[7]!)
    const deviation = Math.max(1e-8, Math.sqrt(variance))
    expect(logExpectedImprovement(inputs[7]!)).toBe(logH((best - mean) / deviation) + Math.log(deviation))
    expect(believed.indexOf(best)).toBeLessThan(4)
  })

  it('with several is best where the worst of them is least', () => {
    const { believed } = largestCriterion([rising, falling], pieces, inputs)
    // 3 x = 2 - 2 x at 0.4
    expect(Math.abs(at[believed.indexOf(Math.min(...believed))]! - 0.4)).toBeLessThan(0.08)
    expect(believed[40]).toBeGreaterThan(2.5)
  })

  it('expects more near the crossing than at either end', () => {
    const { logExpectedImprovement } = largestCriterion([rising, falling], pieces, inputs)
    const [low, middle, high] = [0.02, 0.4, 0.98].map(x => logExpectedImprovement(space.input(Float64Array.of(x))))
    expect(middle).toBeGreaterThan(low!)
    expect(middle).toBeGreaterThan(high!)
  })

  it('of one piece is the improvement of that objective', () => {
    const one = largestCriterion([rising], [{ offset: 1, slopes: [2] }], inputs)
    const own = lossCriterion(rising, inputs)
    for (const input of inputs.slice(3, 9)) {
      expect(one.logExpectedImprovement(input)).toBeCloseTo(own.logExpectedImprovement(input) + Math.log(2), 4)
    }
  })
})
