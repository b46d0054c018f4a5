import { bayes } from '../../../src/strategies/bayes/bayes.ts'
import { describeStrategy } from '../../contracts/strategy-contract.ts'
import { sphere } from '../../problems/single-objective.ts'

// A model of few observations and little looking around keep thousands of candidates affordable; the search is the same.
const small = { max_observations: 12, raw_samples: 8, starts: 1, max_iterations: 5 }

describeStrategy('bayes', bayes, {
  options: small,
  mixedGenes: true,
  longRun: { tells: 1000, snapshotLimit: 5_000 },
  reaches: { problem: sphere(3), budget: 100, loss: 2 },
})

describeStrategy('bayes in a trust region, under noise', bayes, {
  options: { ...small, trust_region: true, acquisition: 'noisy-log-ei', output_transform: 'none', noise: 'estimated' },
  mixedGenes: true,
  objectives: [1],
  longRun: { tells: 500, snapshotLimit: 5_000 },
  reaches: { problem: sphere(3), budget: 100, loss: 3 },
})
