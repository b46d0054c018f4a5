import { random } from '../../src/strategies/sampling/random.ts'
import { sobol } from '../../src/strategies/sampling/sobol-search.ts'
import { describeStrategy } from '../contracts/strategy-contract.ts'
import { sphere } from '../problems/single-objective.ts'

// The share of [-4, 4]^2 within radius r of the optimum is π r² / 64: 500 points miss r² = 0.4 with probability < 1e-4.
describeStrategy('random', random, { mixedGenes: true, reaches: { problem: sphere(2), budget: 500, loss: 0.4 } })
describeStrategy('sobol', sobol, { mixedGenes: true, reaches: { problem: sphere(2), budget: 500, loss: 0.2 } })
