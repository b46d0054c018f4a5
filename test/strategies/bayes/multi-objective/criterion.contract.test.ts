import { bayes } from '../../../../src/strategies/bayes/bayes.ts'
import { describeStrategy } from '../../../contracts/strategy-contract.ts'
import { corners } from '../../../problems/multi-objective.ts'

// As for one objective: small models, the search is the same.
describeStrategy('bayes with ParEGO', bayes, {
  options: { criterion: 'parego', max_observations: 20, raw_samples: 8, starts: 1, max_iterations: 5 },
  objectives: [2, 4],
  effort: 0.1,
  longRun: { tells: 100, snapshotLimit: 5000 },
  reaches: { problem: corners(3, 4), budget: 40, loss: 0.3 },
})

describeStrategy('bayes with a scalarized objective', bayes, {
  options: {
    criterion: 'scalarized',
    scalarization: 'mean',
    max_observations: 20,
    raw_samples: 8,
    starts: 1,
    max_iterations: 5,
  },
  objectives: [2, 3, 4],
  effort: 0.1,
  longRun: { tells: 100, snapshotLimit: 5000 },
  reaches: { problem: corners(3, 2), budget: 40, loss: 0.3 },
})

describeStrategy('bayes with hypervolume improvement', bayes, {
  options: { criterion: 'hypervolume', max_observations: 30, raw_samples: 16, starts: 1, max_iterations: 5 },
  objectives: [1, 2, 3],
  effort: 0.1,
  longRun: { tells: 100, snapshotLimit: 8000 },
  reaches: { problem: corners(3, 3), budget: 40, loss: 0.3 },
})
