import { forest } from '../../../src/strategies/forest/forest.ts'
import { describeStrategy } from '../../contracts/strategy-contract.ts'
import { mixed } from '../../problems/multi-objective.ts'
import { sphere } from '../../problems/single-objective.ts'

// A proposal costs a model: the suite's thousands of them get a small one.
describeStrategy('forest', forest, {
  options: { trees: 3, challengers: 20, local_searches: 1, data_limit: 40 },
  mixedGenes: true,
  longRun: { tells: 10_000, snapshotLimit: 6000, held: 60 },
  reaches: { problem: sphere(3), budget: 300, loss: 0.5 },
})

describeStrategy('forest on mixed genes', forest, {
  options: { initial_design: 8, challengers: 100, local_searches: 2, random_share: 0.1, scalarization: 'worst', data_limit: 100 },
  mixedGenes: true,
  effort: 0.1,
  longRun: { tells: 500, snapshotLimit: 15_000, held: 150 },
  reaches: { problem: mixed(), budget: 200, loss: 0.1 },
})
