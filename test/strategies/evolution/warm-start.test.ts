import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { scalarize } from '../../../src/scalarization.ts'
import { comoCmaEs } from '../../../src/strategies/evolution/como-cma-es.ts'
import { differentialEvolution } from '../../../src/strategies/evolution/differential-evolution.ts'
import { nsga2 } from '../../../src/strategies/evolution/nsga2.ts'
import { nsga3 } from '../../../src/strategies/evolution/nsga3.ts'
import { smsEmoa } from '../../../src/strategies/evolution/sms-emoa.ts'
import type { StrategyDefinition, ToldTrial } from '../../../src/strategies/strategy.ts'
import { corners } from '../../problems/multi-objective.ts'
import { candidateOf, failed, scored } from '../../problems/problem.ts'

const problem = corners(8, 2)

/** Best scalarised loss of `budget` evaluations. */
function best(definition: StrategyDefinition, prior: readonly ToldTrial[], budget: number): number {
  // Not the middle of the box, which is on the front.
  const domain = { ...problem.domain, initial: new Float64Array(8).fill(0.9) }
  const strategy = definition.create(
    { domain, objectives: problem.objectives, rng: createRng(1), budget, prior },
    definition.options.parse({}),
  )
  let least = Infinity
  for (let id = 0; id < budget; id++) {
    const trials = strategy.ask(1).map(proposal => scored(problem, candidateOf(proposal, id)))
    least = Math.min(least, scalarize('worst', trials[0]!.losses!, problem.objectives))
    strategy.tell(trials)
  }
  return least
}

describe('trials of an earlier run', () => {
  for (const definition of [nsga2, nsga3, smsEmoa, differentialEvolution, comoCmaEs] as readonly StrategyDefinition[]) {
    it(`are where ${definition.kind} begins`, () => {
      const rng = createRng(9)
      const prior = Array.from({ length: 120 }, (_, id) => {
        const genome = Float64Array.from({ length: 8 }, () => 0.5 + 0.02 * rng.normal())
        const candidate = candidateOf({ genome }, id)
        return id % 10 === 0 ? failed(candidate) : scored(problem, candidate)
      })
      expect(best(definition, prior, 60)).toBeLessThan(best(definition, [], 60))
    })
  }
})
