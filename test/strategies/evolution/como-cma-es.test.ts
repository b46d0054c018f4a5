import { describe, expect, it } from 'vitest'
import { hypervolume } from '../../../src/archive/hypervolume.ts'
import { createRng } from '../../../src/rng.ts'
import { comoCmaEs } from '../../../src/strategies/evolution/como-cma-es.ts'
import { corners, mixed, zdt1 } from '../../problems/multi-objective.ts'
import { candidateOf, minimize, realDomain, scored, type TestProblem } from '../../problems/problem.ts'
import { randomRotation } from '../../problems/single-objective.ts'

/**
 * Two rotated ellipsoids of one shape, with their centres at 0.3 and 0.7 in every gene, in units of the distance between the centres:
 * the front is sqrt(f1) + sqrt(f2) = 1, its hypervolume against (1, 1) is 1 - 1/6.
 */
function ellipsoids(d: number, condition: number): TestProblem {
  const rotation = randomRotation(d, 3)
  const form = (centre: number, x: ArrayLike<number>): number =>
    rotation.reduce((sum, row, i) => {
      const y = row.reduce((total, v, j) => total + v * (x[j]! - centre), 0)
      return sum + condition ** (i / (d - 1)) * y * y
    }, 0)
  const unit = form(0.3, new Float64Array(d).fill(0.7))
  const domain = realDomain(d, 0, 1)
  return {
    name: `ellipsoids, d = ${d}, condition ${condition}`,
    domain,
    objectives: [minimize('f1', 1, 0), minimize('f2', 1, 0)],
    optimizer: domain.initial,
    optimum: [0.25, 0.25],
    evaluate: x => [form(0.3, x) / unit, form(0.7, x) / unit],
  }
}

function volumeAfter(problem: TestProblem, budget: number, seed: number): number {
  const rng = createRng(seed)
  const initial = Float64Array.from(problem.domain.genes, () => rng.uniform())
  const strategy = comoCmaEs.create(
    { domain: { ...problem.domain, initial }, objectives: problem.objectives, rng, budget },
    comoCmaEs.options.parse({}),
  )
  const found: (readonly number[])[] = []
  while (found.length < budget) {
    const trials = strategy.ask(1).map(proposal => scored(problem, candidateOf(proposal, found.length)))
    found.push(...trials.map(trial => trial.losses!))
    strategy.tell(trials)
  }
  return hypervolume(found, [1, 1])
}

describe('como-cma-es', () => {
  it('comes within 0.5 % of the hypervolume of the front between two spheres', () => {
    expect(volumeAfter(ellipsoids(5, 1), 5000, 1)).toBeGreaterThan(0.995 * (5 / 6))
    expect(volumeAfter(ellipsoids(10, 1), 10_000, 2)).toBeGreaterThan(0.995 * (5 / 6))
  })

  it('does so between two rotated ellipsoids of condition 10,000 too', () => {
    expect(volumeAfter(ellipsoids(5, 1e4), 10_000, 1)).toBeGreaterThan(0.995 * (5 / 6))
  })

  it('lets converged kernels rest and starts new ones', () => {
    const problem = corners(2, 2)
    const options = comoCmaEs.options.parse({ kernels: 2, tolx: 0.01 })
    const strategy = comoCmaEs.create({ ...problem, rng: createRng(1), budget: undefined }, options)
    for (let id = 0; id < 3000; id++)
      strategy.tell(strategy.ask(1).map(proposal => scored(problem, candidateOf(proposal, id))))
    expect(strategy.diagnostics()).toMatchObject({ kernels: expect.any(Number) })
    expect(strategy.diagnostics().started).toBeGreaterThan(10)
    expect(strategy.diagnostics().resting).toBeGreaterThan(5)
  })

  it('refuses what it cannot search, and names another strategy', () => {
    const create = (problem: TestProblem) => () =>
      comoCmaEs.create({ ...problem, rng: createRng(1), budget: undefined }, comoCmaEs.options.parse({}))
    expect(create(mixed())).toThrow(
      'Strategy "como-cma-es" searches real genes only, but gene "method" is categorical.',
    )
    expect(create(corners(2, 3))).toThrow('Strategy "como-cma-es" takes one or two objectives, got 3.')
    expect(create({ ...zdt1(2), domain: realDomain(0, 0, 1) })).toThrow('needs at least one gene, got none.')
  })
})
