import { describe, expect, it } from 'vitest'
import { decisionsOf } from '../../../src/decision.ts'
import { createRng } from '../../../src/rng.ts'
import { armOf } from '../../../src/strategies/auto/arms.ts'
import { auto } from '../../../src/strategies/auto/auto.ts'
import { planOf, type SearchShape, shapeOf } from '../../../src/strategies/auto/plan.ts'
import type { Strategy, StrategyContext, ToldTrial } from '../../../src/strategies/strategy.ts'
import { corners } from '../../problems/multi-objective.ts'
import { candidateOf, scored, type TestProblem } from '../../problems/problem.ts'
import { sphere } from '../../problems/single-objective.ts'

const contextOf = (problem: TestProblem, more: Partial<StrategyContext> = {}): StrategyContext => ({
  domain: problem.domain,
  objectives: problem.objectives,
  rng: createRng(4),
  budget: undefined,
  ...more,
})

/** Asks and tells one at a time. */
function search(strategy: Strategy, problem: TestProblem, count: number): ToldTrial[] {
  return Array.from({ length: count }, (_, id) => {
    const [proposal] = strategy.ask(1)
    const trial = scored(problem, candidateOf(proposal!, id))
    strategy.tell([trial])
    return trial
  })
}

const options = (model_evaluations: number) => auto.options.parse({ model_evaluations })

describe('auto', () => {
  it('is a model at first, and then evolution, begun with all trials so far', () => {
    const problem = sphere(3)
    const context = contextOf(problem, { budget: 80 })
    const trials = search(auto.create(context, options(20)), problem, 60)

    const begin = { ...context, prior: [], guesses: [] }
    const model = armOf('bayes', 'worst').create({ ...begin, rng: createRng(4).split('auto 0') })
    const first = search(model, problem, 20)
    const later = { ...begin, rng: createRng(4).split('auto 20'), budget: 60, prior: first }
    const second = search(armOf('cma-es', 'worst').create(later), problem, 40)
    expect(trials.map(({ genome }) => genome)).toEqual([...first, ...second].map(({ genome }) => genome))
    expect(decisionsOf(trials)).toEqual([
      {
        candidate: 0,
        strategy: 'bayes',
        because: '3 genes, 1 objective: a model makes the most of few evaluations',
      },
      { candidate: 20, strategy: 'cma-es', because: '80 evaluations; after 20 evolution gets more out of the rest' },
    ])
  })

  it('waits for what is in flight before it changes', () => {
    const problem = sphere(3)
    const strategy = auto.create(contextOf(problem), options(12))
    const proposals = strategy.ask(20)
    expect(proposals).toHaveLength(12)
    const trials = proposals.map((proposal, id) => scored(problem, candidateOf(proposal, id)))
    strategy.tell(trials.slice(1))
    expect(strategy.ask(20)).toEqual([])
    strategy.tell(trials.slice(0, 1))
    expect(strategy.ask(20).length).toBeGreaterThan(0)
    expect(strategy.diagnostics()).toMatchObject({ strategy: 'cma-es', phase: 1 })
  })

  it('counts parents as candidates of the run, whichever strategy bred from them', () => {
    const problem = corners(3, 2)
    const trials = search(auto.create(contextOf(problem), options(12)), problem, 80)
    expect(decisionsOf(trials).at(-1)).toMatchObject({ strategy: 'sms-emoa' })
    const bred = trials.filter(({ parents }) => parents.length > 0)
    expect(bred.length).toBeGreaterThan(0)
    for (const { id, parents } of bred) {
      for (const parent of parents) {
        expect(parent).toBeGreaterThanOrEqual(0)
        expect(parent).toBeLessThan(id)
      }
    }
  })
})

describe('the plan of auto', () => {
  const plan = (more: Partial<SearchShape>): string =>
    planOf({ ...shapeOf(contextOf(sphere(10)), 250), budget: 1000, ...more })
      .map(({ strategy, until }) => (until === Infinity ? strategy : `${strategy} to ${until}`))
      .join(', ')

  it.each([
    [{}, 'bayes to 250, cma-es'],
    [{ budget: undefined }, 'bayes to 250, cma-es'],
    [{ budget: 500 }, 'bayes to 250, cma-es'],
    [{ budget: 499 }, 'bayes'],
    [{ prior: 249 }, 'bayes to 250, cma-es'],
    [{ prior: 250 }, 'cma-es'],
    [{ genes: 101 }, 'cma-es'],
    [{ choices: 0.3 }, 'bayes to 250, cma-es'],
    [{ choices: 0.31 }, 'forest to 250, tpe'],
    [{ conditional: true, objectives: 2 }, 'forest to 250, cma-es to 625, sms-emoa'],
    [{ objectives: 3 }, 'bayes to 250, cma-es to 625, sms-emoa'],
    [{ objectives: 3, budget: undefined }, 'bayes to 250, sms-emoa'],
    [{ objectives: 3, budget: 300 }, 'bayes'],
    [{ objectives: 4 }, 'bayes to 250, cma-es to 625, nsga3'],
    [{ objectives: 4, genes: 300 }, 'cma-es to 500, nsga3'],
  ])('for %j is %s', (more, expected) => {
    expect(plan(more)).toBe(expected)
  })
})
