import { bayes } from '../../../src/strategies/bayes/bayes.ts'
import { describeStrategy } from '../../contracts/strategy-contract.ts'
import { sphere } from '../../problems/single-objective.ts'

// A model of few observations and little looking around keep thousands of candidates affordable; the search is the same.
describeStrategy('bayes', bayes, {
  options: { max_observations: 12, raw_samples: 8, starts: 1, max_iterations: 5 },
  mixedGenes: true,
  longRun: { tells: 1000, snapshotLimit: 5_000 },
  reaches: { problem: sphere(3), budget: 100, loss: 2 },
})
