import { comoCmaEs } from '../../../src/strategies/evolution/como-cma-es.ts'
import { differentialEvolution } from '../../../src/strategies/evolution/differential-evolution.ts'
import { nsga2 } from '../../../src/strategies/evolution/nsga2.ts'
import { nsga3 } from '../../../src/strategies/evolution/nsga3.ts'
import { smsEmoa } from '../../../src/strategies/evolution/sms-emoa.ts'
import { describeStrategy } from '../../contracts/strategy-contract.ts'
import { corners } from '../../problems/multi-objective.ts'
import { sphere } from '../../problems/single-objective.ts'

const claims = { mixedGenes: true, generational: true, objectives: [1, 2, 3, 5] }
const reaches = { problem: sphere(4), budget: 2000, loss: 0.01 }

describeStrategy('nsga2', nsga2, { ...claims, options: { population_size: 20 }, reaches })
describeStrategy('nsga3', nsga3, { ...claims, options: { population_size: 20 }, reaches })
describeStrategy('sms-emoa', smsEmoa, { ...claims, generational: false, options: { population_size: 20 }, reaches })
describeStrategy('de', differentialEvolution, { ...claims, reaches: { problem: sphere(4), budget: 4000, loss: 1e-3 } })
describeStrategy('como-cma-es', comoCmaEs, {
  generational: true,
  objectives: [1, 2],
  options: { kernels: 3 },
  beforeGuesses: 1,
  reaches: { problem: corners(6, 2), budget: 1500, loss: 0.0947 }, // 0.0945 at the front's middle: 0.09 and a twentieth of it
})
