import { cmaEs } from '../../../src/strategies/cma-es/cma-es.ts'
import { describeStrategy } from '../../contracts/strategy-contract.ts'
import { sphere } from '../../problems/single-objective.ts'

describeStrategy('cma-es', cmaEs, {
  generational: true,
  ignoresPrior: true,
  reaches: { problem: sphere(5), budget: 1100, loss: 1e-8 },
})

describeStrategy('cma-es with small populations and doubling restarts', cmaEs, {
  options: { population_size: 4, restarts: 'ipop', sigma0: 0.1, scalarization: 'mean' },
  generational: true,
  ignoresPrior: true,
  reaches: { problem: sphere(2), budget: 500, loss: 1e-8 },
})
