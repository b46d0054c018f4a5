import { tpe } from '../../../src/strategies/tpe/tpe.ts'
import { describeStrategy } from '../../contracts/strategy-contract.ts'
import { mixed } from '../../problems/multi-objective.ts'
import { sphere } from '../../problems/single-objective.ts'

describeStrategy('tpe', tpe, {
  options: { data_limit: 60 },
  mixedGenes: true,
  effort: 0.3,
  longRun: { tells: 10_000, snapshotLimit: 8000, held: 80 },
  reaches: { problem: sphere(3), budget: 200, loss: 0.5 },
})

describeStrategy('tpe on mixed genes', tpe, {
  options: { startup: 5, candidates: 60, best_share: 0.15 },
  mixedGenes: true,
  effort: 0.2,
  longRun: { tells: 500, snapshotLimit: 30_000, held: 500 },
  reaches: { problem: mixed(), budget: 250, loss: 0.1 },
})
