import { cycleQd } from '../../../src/strategies/niches/cycle-qd.ts'
import { geneticAlgorithm, m2n2 } from '../../../src/strategies/niches/m2n2.ts'
import { mapElites } from '../../../src/strategies/niches/map-elites.ts'
import { describeStrategy } from '../../contracts/strategy-contract.ts'
import { corners } from '../../problems/multi-objective.ts'
import { sphere } from '../../problems/single-objective.ts'

const claims = { mixedGenes: true, objectives: [1, 2, 3, 5] }
const reaches = { problem: sphere(4), budget: 2000, loss: 0.1 }

describeStrategy('m2n2', m2n2, { ...claims, reaches })
describeStrategy('ga', geneticAlgorithm, { ...claims, reaches })
describeStrategy('map-elites', mapElites, { ...claims, reaches: { problem: corners(4, 2), budget: 2000, loss: 0.2 } })
describeStrategy('cycleqd', cycleQd, { ...claims, reaches: { problem: corners(4, 2), budget: 2000, loss: 0.2 } })
