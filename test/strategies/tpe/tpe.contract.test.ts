import { tpe } from '../../../src/strategies/tpe/tpe.ts'
import { describeStrategy } from '../../contracts/strategy-contract.ts'
import { mixed } from '../../problems/multi-objective.ts'
import { sphere } from '../../problems/single-objective.ts'

describeStrategy('tpe', tpe, {
  options: { data_limit: 200 },
  mixedGenes: true,
  longRun: { tells: 10_000, snapshotLimit: 20_000, held: 250 },
  reaches: { problem: sphere(3), budget: 200, loss: 0.2 },
})

describeStrategy('tpe on mixed genes', tpe, {
  options: { startup: 5, candidates: 60, best_share: 0.15, data_limit: 50 },
  mixedGenes: true,
  longRun: { tells: 2000, snapshotLimit: 8000, held: 100 },
  reaches: { problem: mixed(), budget: 250, loss: 0.1 },
})
