import { describe, expect, it } from 'vitest'
import { createRng } from '../../../../src/rng.ts'
import { lossPieces, pieceAt, scalarize } from '../../../../src/scalarization.ts'
import { bayes } from '../../../../src/strategies/bayes/bayes.ts'
import { Gp } from '../../../../src/strategies/bayes/gp.ts'
import { scalarizedCriterion } from '../../../../src/strategies/bayes/multi-objective/scalarized-criterion.ts'
import { standardization, toTarget } from '../../../../src/strategies/bayes/output-transform.ts'
import { candidateOf, minimize, realDomain, scored, type TestProblem } from '../../../problems/problem.ts'

describe('pieces of a scalarised loss', () => {
  const objectives = [
    minimize('a', 2),
    { ...minimize('b', 0.5), direction: 'maximize' as const, ideal: 1 },
    minimize('c', 10),
  ]
  const rng = createRng(4)
  const rows = Array.from({ length: 30 }, () => [3 * rng.uniform(), -rng.uniform(), 20 * rng.uniform()])

  it('are affine functions of the losses, of which the largest counts', () => {
    for (const kind of ['worst', 'mean'] as const)
      for (const losses of rows) {
        const largest = Math.max(...lossPieces(kind, objectives).map(piece => pieceAt(piece, losses)))
        expect(largest).toBeCloseTo(scalarize(kind, losses, objectives), 12)
      }
  })
})

describe('the criterion of the point that a scalarisation calls best', () => {
  /** Two losses over [0, 1], of different units, that cross. */
  const at = [0, 0.2, 0.35, 0.6, 0.8, 1]
  const columns = [at.map(x => 100 + 40 * x), at.map(x => 3 - 2 * x)]
  const transforms = columns.map(column => standardization(column))
  const gps = columns.map((column, j) => {
    const gp = new Gp(
      { numeric: 1, categorical: 0 },
      { lengthscales: Float64Array.of(0.8), outputscale: 1, mean: 0, noise: 1 },
    )
    const targets = column.map(loss => toTarget(transforms[j]!, loss))
    gp.append(Float64Array.from(at), targets, new Float64Array(at.length).fill(1e-8))
    return gp
  })
  // (loss - 100) / 40 and (loss - 1) / 2: equal at x = 0.5.
  const pieces = [
    { offset: -2.5, slopes: [1 / 40, 0] },
    { offset: -0.5, slopes: [0, 1 / 2] },
  ]

  it('looks around the observations whose worst objective is least, best first', () => {
    const { anchors } = scalarizedCriterion(gps, transforms, pieces, 3)
    expect(anchors).toEqual([3, 2, 4])
  })

  it('expects most where the losses cross, which a model of their maximum does not know', () => {
    const { acquisition } = scalarizedCriterion(gps, transforms, pieces, 3)
    const grid = Float64Array.from({ length: 101 }, (_, i) => i / 100)
    const values = acquisition.evaluateMany(grid, grid.length)
    const best = grid[values.indexOf(Math.max(...values))]!
    expect(best).toBeCloseTo(0.5, 1)
    expect(Math.abs(best - 0.5)).toBeLessThan(0.03)
  })
})

describe('bayes with several objectives', () => {
  /** Two bowls; the worse of the two is least half way between their floors. */
  const bowls: TestProblem = {
    name: 'two bowls',
    domain: realDomain(3, 0, 1, [0.9, 0.9, 0.1]),
    objectives: [minimize('a', 1), minimize('b', 1)],
    optimizer: Float64Array.of(0.5, 0.5, 0.5),
    optimum: [0.09, 0.09],
    evaluate: ([x, y, z]) => [0.3, -0.3].map(by => (x! - 0.5 - by) ** 2 + (y! - 0.5) ** 2 + (z! - 0.5) ** 2),
  }

  function worstAfter(options: object, budget: number): number {
    const { domain, objectives } = bowls
    const parsed = bayes.options.parse({ raw_samples: 64, starts: 2, max_iterations: 20, ...options })
    const strategy = bayes.create({ domain, objectives, rng: createRng(2), budget }, parsed)
    let least = Number.POSITIVE_INFINITY
    for (let id = 0; id < budget; id++) {
      const trial = scored(bowls, candidateOf(strategy.ask(1)[0]!, id))
      strategy.tell([trial])
      least = Math.min(least, scalarize('worst', trial.losses!, objectives))
    }
    return least
  }

  it('finds the winner with the share of candidates that looks for it, and with that share alone', () => {
    const optimum = scalarize('worst', [0.09, 0.09], bowls.objectives)
    for (const options of [
      { winner_share: 0.5 },
      { winner_share: 1 },
      { criterion: 'scalarized' },
      { criterion: 'parego', winner_share: 0.5 },
    ]) {
      expect(worstAfter(options, 30)).toBeLessThan(optimum + 1e-3)
    }
    expect(worstAfter({ winner_share: 0 }, 30)).toBeGreaterThan(worstAfter({ winner_share: 0.5 }, 30))
  })

  it('asks for the front with every candidate that is not for the winner', () => {
    const { domain, objectives } = bowls
    const genomes = (options: object): string[] => {
      const parsed = bayes.options.parse({
        initial_points: 4,
        raw_samples: 32,
        starts: 1,
        max_iterations: 10,
        ...options,
      })
      const strategy = bayes.create({ domain, objectives, rng: createRng(2), budget: 9 }, parsed)
      return Array.from({ length: 8 }, (_, id) => {
        const trial = scored(bowls, candidateOf(strategy.ask(1)[0]!, id))
        strategy.tell([trial])
        return String(trial.genome)
      })
    }
    const [front, mixed] = [genomes({ winner_share: 0 }), genomes({ winner_share: 0.5 })]
    // Candidates 0 to 3 are scattered, 4 is for the front, 5 for the winner.
    expect(mixed.slice(0, 5)).toEqual(front.slice(0, 5))
    expect(mixed[5]).not.toBe(front[5])
  })
})
