import { grid } from '../../src/strategies/sampling/grid.ts'
import { random } from '../../src/strategies/sampling/random.ts'
import { sobol } from '../../src/strategies/sampling/sobol-search.ts'
import { describeStrategy } from '../contracts/strategy-contract.ts'
import { sphere } from '../problems/single-objective.ts'

// The share of [-4, 4]^2 within radius r of the optimum is π r² / 64: 500 points miss r² = 0.4 with probability < 1e-4.
describeStrategy('random', random, { mixedGenes: true, reaches: { problem: sphere(2), budget: 500, loss: 0.4 } })
describeStrategy('sobol', sobol, { mixedGenes: true, reaches: { problem: sphere(2), budget: 500, loss: 0.2 } })
// 31 x 31 points of [-4, 4]^2: one of them is at most half a spacing, 0.134, from the optimum in each coordinate.
describeStrategy('grid', grid, {
  options: { points: 31 },
  mixedGenes: true,
  reaches: { problem: sphere(2), budget: 961, loss: 2 * 0.134 ** 2 },
})
