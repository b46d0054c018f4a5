import { describe, expect, it } from 'vitest'
import type { Genome } from '../../../src/candidate.ts'
import { createRng } from '../../../src/rng.ts'
import { bayes } from '../../../src/strategies/bayes/bayes.ts'
import { encodingOf } from '../../../src/strategies/bayes/encoding.ts'
import { selectObservations } from '../../../src/strategies/bayes/select-observations.ts'
import type { Strategy, StrategyContext } from '../../../src/strategies/strategy.ts'
import { mixed } from '../../problems/multi-objective.ts'
import { candidateOf, minimize, realDomain, scored, type TestProblem } from '../../problems/problem.ts'
import { rosenbrock, sphere } from '../../problems/single-objective.ts'

function create(problem: TestProblem, options: unknown = {}, more: Partial<StrategyContext> = {}): Strategy {
  const context = {
    domain: problem.domain,
    objectives: problem.objectives,
    rng: createRng(1),
    budget: undefined,
    ...more,
  }
  return bayes.create(context, bayes.options.parse(options))
}

/** Genomes and losses of one candidate after another. */
function search(strategy: Strategy, problem: TestProblem, count: number): { genome: Genome; loss: number }[] {
  return Array.from({ length: count }, (_, id) => {
    const [proposal] = strategy.ask(1)
    const trial = scored(problem, candidateOf(proposal!, id))
    strategy.tell([trial])
    return { genome: proposal!.genome, loss: trial.losses![0]! }
  })
}

const least = (trials: readonly { readonly loss: number }[]): number => Math.min(...trials.map(t => t.loss))

describe('bayes', () => {
  it('needs few evaluations on smooth functions', () => {
    expect(least(search(create(sphere(3)), sphere(3), 30))).toBeLessThan(1e-3)
    expect(least(search(create(rosenbrock(2), { output_transform: 'none' }), rosenbrock(2), 45))).toBeLessThan(0.2)
  })

  it('begins with the declared start, then known recipes, each once', () => {
    const problem = sphere(2)
    const guess = Float64Array.of(1, -2)
    const strategy = create(problem, {}, { guesses: [problem.domain.initial.slice(), guess, guess.slice()] })
    const genomes = strategy.ask(6).map(proposal => proposal.genome)
    expect(genomes[0]).toEqual(problem.domain.initial)
    expect(genomes[1]).toEqual(guess)
    expect(new Set(genomes.map(String)).size).toBe(6)
  })

  it('models from the first candidate on when earlier runs have shown enough', () => {
    const problem = sphere(3)
    const earlier = search(create(problem), problem, 25).map(({ genome, loss }, id) => ({
      ...candidateOf({ genome }, id),
      losses: [loss],
    }))
    const strategy = create(problem, {}, { prior: earlier })
    expect(least(search(strategy, problem, 3))).toBeLessThan(0.05)
  })

  it('keeps the better half of what it may keep for trials of earlier runs, however many there are', () => {
    const problem = sphere(2)
    const rng = createRng(3)
    const prior = Array.from({ length: 300 }, (_, id) => {
      const genome = Float64Array.of(10 * rng.uniform() - 5, 10 * rng.uniform() - 5)
      return scored(problem, candidateOf({ genome }, id))
    })
    const strategy = create(problem, { max_observations: 40 }, { prior })
    expect(strategy.diagnostics().priorObservations).toBe(20)
    expect(create(problem, {}, { prior }).diagnostics().priorObservations).toBe(300)
    const trials = search(strategy, problem, 30)
    expect(strategy.diagnostics().observations).toBeLessThanOrEqual(20)
    expect(least(trials)).toBeLessThan(0.01)
  })

  it('never proposes the same genome twice, not even where few are left', () => {
    const genes = [
      { kind: 'integer' as const, name: 'a', low: 0, high: 3, initial: 0 },
      { kind: 'categorical' as const, name: 'b', choices: ['x', 'y', 'z'], initial: 0 },
    ]
    const problem: TestProblem = {
      name: 'twelve genomes',
      domain: { genes, initial: Float64Array.of(0, 0) },
      objectives: [minimize('loss', 10)],
      optimizer: Float64Array.of(2, 1),
      optimum: [0],
      evaluate: ([a, b]) => [Math.abs(a! - 2) + (b === 1 ? 0 : 1)],
    }
    const trials = search(create(problem), problem, 12)
    expect(new Set(trials.map(t => String(t.genome))).size).toBe(12)
    // And goes on when all are used up.
    expect(create(problem).ask(14)).toHaveLength(14)
  })

  it('finds the best of mixed genes', () => {
    const problem = mixed()
    const optimum = problem.evaluate(problem.optimizer)[0]!
    expect(least(search(create(problem), problem, 60))).toBeLessThan(optimum + 0.05)
  })

  it('spreads a batch: points under evaluation are not proposed again nearby', () => {
    const problem = sphere(2)
    const strategy = create(problem)
    search(strategy, problem, 12)
    const batch = strategy.ask(4).map(proposal => proposal.genome)
    for (const [i, a] of batch.entries()) {
      for (const b of batch.slice(0, i)) expect(Math.hypot(a[0]! - b[0]!, a[1]! - b[1]!)).toBeGreaterThan(1e-6)
    }
  })

  it('takes what examples say of the noise only where candidates saw different ones, or where told to', () => {
    const problem = sphere(2)
    const genomes = (options: object, partial: boolean, withScores: boolean): string[] => {
      const strategy = create(problem, { initial_points: 6, raw_samples: 64, ...options })
      return Array.from({ length: 12 }, (_, id) => {
        const trial = scored(problem, candidateOf(strategy.ask(1)[0]!, id))
        const loss = trial.losses![0]!
        strategy.tell([
          {
            ...trial,
            ...(withScores && { exampleScores: [Float32Array.of(loss - 5, loss + 5)] }),
            ...(partial && id === 3 && { standardErrors: [5] }),
          },
        ])
        return String(trial.genome)
      })
    }
    const plain = genomes({}, false, false)
    expect(genomes({}, false, true)).toEqual(plain)
    expect(genomes({ noise: 'known' }, false, true)).not.toEqual(plain)
    expect(genomes({}, true, true)).not.toEqual(plain)
    expect(genomes({ noise: 'estimated' }, true, true)).toEqual(plain)
  })

  it('refuses a trust region for several losses', () => {
    const problem = { ...sphere(2), objectives: [minimize('a', 1), minimize('b', 1)] }
    expect(() => create(problem, { trust_region: true })).toThrow(
      'Strategy "bayes" takes a trust region with one loss, but criterion "hypervolume" has several.',
    )
  })
})

describe('the observations that a full model keeps', () => {
  const encoding = encodingOf(realDomain(1, 0, 1))
  const observations = Array.from({ length: 100 }, (_, i) => ({
    genome: Float64Array.of(i === 17 ? 1 : 0.5 * (i / 100)),
    loss: i < 5 ? -1 : i === 50 ? undefined : i,
  }))

  it('are the best, the newest and the farthest, in their order', () => {
    const kept = selectObservations(encoding, observations, 20)
    expect(kept).toHaveLength(20)
    expect([...kept].sort((a, b) => a - b)).toEqual(kept)
    expect(kept).toEqual(expect.arrayContaining([0, 1, 2, 3, 4, 17, 94, 95, 96, 97, 98, 99]))
    expect(kept).not.toContain(50)
  })

  it('are all where there are few', () => {
    expect(selectObservations(encoding, observations.slice(0, 3), 20)).toEqual([0, 1, 2])
  })
})
