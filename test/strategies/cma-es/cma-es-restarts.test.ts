import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { firstRun, nextRun, type RunPlan } from '../../../src/strategies/cma-es/cma-es-restarts.ts'

/** `count` runs, each spending its population times its generation limit, or 100 generations. */
function runs(policy: 'ipop' | 'bipop', count: number, dimension: number, population: number): RunPlan[] {
  const rng = createRng(1)
  const plans = [firstRun(population)]
  while (plans.length < count) {
    const last = plans.at(-1)!
    const evaluations = last.populationSize * Math.min(100, last.maxGenerations ?? 100)
    plans.push(nextRun(policy, last.state, evaluations, population, dimension, rng))
  }
  return plans
}

describe('nextRun', () => {
  it('doubles the population with every ipop restart, and begins anew beyond 10 d²', () => {
    expect(runs('ipop', 7, 10, 10).map(plan => plan.populationSize)).toEqual([10, 20, 40, 80, 160, 320, 640])
    expect(
      runs('ipop', 9, 10, 10)
        .map(plan => plan.populationSize)
        .slice(6),
    ).toEqual([640, 10, 20])
    for (const plan of runs('ipop', 9, 10, 10)) {
      expect(plan.sigmaFactor).toBe(1)
      expect(plan.maxGenerations).toBeUndefined()
    }
  })

  it('gives both bipop regimes about the same number of evaluations', () => {
    const plans = runs('bipop', 60, 20, 12)
    expect(plans.slice(0, 2).map(plan => plan.state.regime)).toEqual(['first', 'large'])
    const { smallEvaluations, largeEvaluations } = plans.at(-1)!.state
    expect(smallEvaluations / largeEvaluations).toBeGreaterThan(0.5)
    expect(smallEvaluations / largeEvaluations).toBeLessThan(2)
    for (const [i, plan] of plans.entries()) {
      expect(plan.state.run).toBe(i)
      if (plan.state.regime !== 'small') continue
      expect(plan.populationSize).toBeGreaterThanOrEqual(12)
      expect(plan.populationSize).toBeLessThanOrEqual(12 * 2 ** plan.state.doublings)
      expect(plan.sigmaFactor).toBeGreaterThan(0.01 - 1e-12)
      expect(plan.sigmaFactor).toBeLessThanOrEqual(1)
      const limit = plan.maxGenerations! * plan.populationSize
      expect(limit).toBeLessThan(0.5 * plan.state.largeEvaluations + plan.populationSize)
    }
  })
})
