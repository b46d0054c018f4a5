import { describe, expect, it } from 'vitest'
import { decisionsOf } from '../../../src/decision.ts'
import { createRng } from '../../../src/rng.ts'
import { armOf } from '../../../src/strategies/auto/arms.ts'
import { auto } from '../../../src/strategies/auto/auto.ts'
import { planOf, type SearchShape } from '../../../src/strategies/auto/plan.ts'
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

describe('auto', () => {
  it('is its first strategy until it changes, and then the next one, begun with all trials so far', () => {
    const problem = sphere(3)
    const context = contextOf(problem)
    const trials = search(auto.create(context, auto.options.parse({ model_evaluations: 12 })), problem, 60)

    const model = armOf('bayes', 'worst').create({
      ...context,
      rng: createRng(4).split('auto 0'),
      budget: 12,
      prior: [],
      guesses: [],
    })
    const first = search(model, problem, 12)
    const evolution = armOf('cma-es', 'worst').create({
      ...context,
      rng: createRng(4).split('auto 1'),
      prior: first,
      guesses: [],
    })
    const second = search(evolution, problem, 48)
    expect(trials.map(({ genome }) => genome)).toEqual([...first, ...second].map(({ genome }) => genome))
  })

  it('waits for what is in flight before it changes', () => {
    const problem = sphere(3)
    const strategy = auto.create(contextOf(problem), auto.options.parse({ model_evaluations: 12 }))
    const proposals = strategy.ask(20)
    expect(proposals).toHaveLength(12)
    const trials = proposals.map((proposal, id) => scored(problem, candidateOf(proposal, id)))
    strategy.tell(trials.slice(1))
    expect(strategy.ask(20)).toEqual([])
    strategy.tell(trials.slice(0, 1))
    expect(strategy.ask(20).length).toBeGreaterThan(0)
    expect(strategy.diagnostics()).toMatchObject({ strategy: 'cma-es', phase: 1 })
  })

  it('records each decision with its reason in the first candidate after it', () => {
    const problem = corners(3, 2)
    const strategy = auto.create(contextOf(problem, { budget: 100 }), auto.options.parse({ model_evaluations: 10 }))
    const trials = search(strategy, problem, 30)
    expect(decisionsOf(trials)).toEqual([
      {
        candidate: 0,
        strategy: 'bayes',
        because: '3 genes, 2 objectives: a model makes the most of the first evaluations',
      },
      {
        candidate: 10,
        strategy: 'sms-emoa',
        because: '100 evaluations, and after 10 a model learns little more; it goes on from these trials',
      },
    ])
    // Parents are candidates of this run, also after ids were shifted.
    for (const { id, parents } of trials) for (const parent of parents) expect(parent).toBeLessThan(id)
  })
})

describe('the plan of auto', () => {
  const shape = (more: Partial<SearchShape>): SearchShape => ({
    genes: 10,
    choices: 0,
    conditional: false,
    objectives: 1,
    budget: 1000,
    ...more,
  })
  const kinds = (more: Partial<SearchShape>): string =>
    planOf(shape(more), 250)
      .map(({ strategy, asks }) => (asks === Infinity ? strategy : `${strategy} ${asks}`))
      .join(', ')

  it.each([
    [{}, 'bayes 250, cma-es'],
    [{ budget: undefined }, 'bayes 250, cma-es'],
    [{ budget: 499 }, 'bayes'],
    [{ budget: 500 }, 'bayes 250, cma-es'],
    [{ budget: 30 }, 'bayes'],
    [{ genes: 101 }, 'cma-es'],
    [{ choices: 0.3 }, 'bayes 250, cma-es'],
    [{ choices: 0.31 }, 'forest 250, tpe'],
    [{ conditional: true, choices: 0.1 }, 'forest 250, tpe'],
    [{ conditional: true, choices: 0.1, objectives: 2 }, 'forest 250, sms-emoa'],
    [{ objectives: 2 }, 'bayes 250, sms-emoa'],
    [{ objectives: 3 }, 'bayes 250, sms-emoa'],
    [{ objectives: 4 }, 'bayes 250, nsga3'],
    [{ objectives: 4, genes: 300 }, 'nsga3'],
  ])('for %j is %s', (more, expected) => {
    expect(kinds(more)).toBe(expected)
  })
})
