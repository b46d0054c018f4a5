import { forest } from '../../../src/strategies/forest/forest.ts'
import { describeStrategy } from '../../contracts/strategy-contract.ts'
import { mixed } from '../../problems/multi-objective.ts'
import { sphere } from '../../problems/single-objective.ts'

// A proposal costs a model: the suite's thousands of them get a small one.
describeStrategy('forest', forest, {
  options: { trees: 2, challengers: 10, local_searches: 1, data_limit: 20 },
  mixedGenes: true,
  effort: 0.3,
  longRun: { tells: 10_000, snapshotLimit: 3000, held: 30 },
  reaches: { problem: sphere(3), budget: 300, loss: 1 },
})

describeStrategy('forest on mixed genes', forest, {
  options: {
    initial_design: 8,
    challengers: 100,
    local_searches: 1,
    random_share: 0.1,
    scalarization: 'worst',
    data_limit: 60,
  },
  mixedGenes: true,
  effort: 0.05,
  longRun: { tells: 200, snapshotLimit: 8000, held: 80 },
  reaches: { problem: mixed(), budget: 200, loss: 0.1 },
})
