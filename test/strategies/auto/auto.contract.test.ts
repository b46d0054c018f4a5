import { auto } from '../../../src/strategies/auto/auto.ts'
import { describeStrategy } from '../../contracts/strategy-contract.ts'
import { sphere } from '../../problems/single-objective.ts'

describeStrategy('auto', auto, {
  options: { model_evaluations: 15 },
  mixedGenes: true,
  effort: 0.1,
  reaches: { problem: sphere(5), budget: 1000, loss: 1e-6 },
})
