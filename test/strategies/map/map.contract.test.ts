import { map } from '../../../src/strategies/map/map.ts'
import { describeStrategy } from '../../contracts/strategy-contract.ts'
import { corners } from '../../problems/multi-objective.ts'
import { sphere } from '../../problems/single-objective.ts'

describeStrategy('map', map, {
  generational: true,
  effort: 0.3,
  longRun: { tells: 3000, snapshotLimit: 50_000 },
  reaches: { problem: sphere(5), budget: 60, loss: 1e-8 },
})

describeStrategy('map, nested', map, {
  options: { mode: 'nested', model: 'diagonal', focus: 1, batch: 3, scalarization: 'mean' },
  generational: true,
  effort: 0.4,
  objectives: [2, 5],
  longRun: { tells: 200, snapshotLimit: 50_000 },
  reaches: { problem: corners(4, 2), budget: 60, loss: 0.2 },
})

describeStrategy('map, bayesian', map, {
  options: { mode: 'bayesian', samples: 20, link: 'identity' },
  generational: true,
  effort: 0.1,
  objectives: [2],
  longRun: { tells: 200, snapshotLimit: 50_000 },
  reaches: { problem: corners(4, 2), budget: 60, loss: 0.2 },
})
