import { cmaEs } from '../../../src/strategies/cma-es/cma-es.ts'
import { describeStrategy } from '../../contracts/strategy-contract.ts'
import { mixed } from '../../problems/multi-objective.ts'
import { sphere } from '../../problems/single-objective.ts'

describeStrategy('cma-es', cmaEs, {
  generational: true,
  mixedGenes: true,
  reaches: { problem: sphere(5), budget: 1100, loss: 1e-8 },
})

describeStrategy('cma-es with small populations and doubling restarts', cmaEs, {
  options: { population_size: 4, restarts: 'ipop', sigma0: 0.1, scalarization: 'mean' },
  generational: true,
  reaches: { problem: sphere(2), budget: 500, loss: 1e-8 },
})

describeStrategy('cma-es on mixed genes with a bound penalty', cmaEs, {
  options: { boundary: 'penalty' },
  generational: true,
  mixedGenes: true,
  reaches: { problem: mixed(), budget: 1500, loss: 1e-8 },
})

describeStrategy('cma-es with a separable covariance', cmaEs, {
  options: { covariance: 'separable', sampling: 'independent' },
  generational: true,
  mixedGenes: true,
  reaches: { problem: sphere(5), budget: 1300, loss: 1e-8 },
})

describeStrategy('cma-es with a limited-memory covariance', cmaEs, {
  options: { covariance: 'lm-ma' },
  generational: true,
  mixedGenes: true,
  longRun: { tells: 10_000, snapshotLimit: 50_000 },
  reaches: { problem: sphere(5), budget: 2000, loss: 1e-8 },
})

describeStrategy('cma-es with adapted learning rates', cmaEs, {
  options: { learning_rate_adaptation: true },
  generational: true,
  mixedGenes: true,
  reaches: { problem: sphere(5), budget: 2500, loss: 1e-8 },
})
