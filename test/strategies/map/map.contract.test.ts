import { map } from '../../../src/strategies/map/map.ts'
import { describeStrategy } from '../../contracts/strategy-contract.ts'
import { sphere } from '../../problems/single-objective.ts'

describeStrategy('map', map, {
  generational: true,
  reaches: { problem: sphere(5), budget: 60, loss: 1e-8 },
})
