import { describe, expect, it } from 'vitest'
import type { Gene } from '../../../src/candidate.ts'
import { ConfigError } from '../../../src/errors.ts'
import { createRng } from '../../../src/rng.ts'
import { cmaEs } from '../../../src/strategies/cma-es/cma-es.ts'
import type { Strategy, StrategyContext } from '../../../src/strategies/strategy.ts'
import { corners, dtlz2, mixed, zdt1 } from '../../problems/multi-objective.ts'
import {
  candidateOf,
  failed,
  maximize,
  minimize,
  realDomain,
  scored,
  type TestProblem,
} from '../../problems/problem.ts'
import { constant, ellipsoid, rosenbrock, sphere, stepwiseAccuracy } from '../../problems/single-objective.ts'

function create(problem: TestProblem, options: unknown = {}, seed = 1): Strategy {
  const context: StrategyContext = { ...problem, rng: createRng(seed), budget: undefined }
  return cmaEs.create(context, cmaEs.options.parse(options))
}

/** Runs whole generations until `budget` evaluations or the end; the evaluations spent and the smallest first loss. */
function search(strategy: Strategy, problem: TestProblem, budget: number): { spent: number; best: number } {
  let spent = 0
  let best = Number.POSITIVE_INFINITY
  while (spent < budget) {
    const trials = strategy.ask(budget - spent).map((p, i) => scored(problem, candidateOf(p, spent + i)))
    if (trials.length === 0) break
    spent += trials.length
    best = Math.min(best, ...trials.map(trial => trial.losses![0]!))
    strategy.tell(trials)
  }
  return { spent, best }
}

describe('cma-es', () => {
  it('scores the declared start first', () => {
    const problem = rosenbrock(3)
    expect(create(problem).ask(5)[0]!.genome).toEqual(problem.domain.initial)
  })

  it('learns nothing from the guest: a failing start changes only what is known to be best', () => {
    const problem = sphere(3)
    const [kept, lost] = [create(problem), create(problem)]
    const generation = kept.ask(100).map((p, id) => candidateOf(p, id))
    lost.ask(100)
    kept.tell(generation.map(candidate => scored(problem, candidate)))
    lost.tell(generation.map(candidate => (candidate.id === 0 ? failed(candidate) : scored(problem, candidate))))
    expect(lost.ask(100)).toEqual(kept.ask(100))
  })

  it('waits for the whole generation', () => {
    const problem = sphere(5)
    const strategy = create(problem)
    const proposals = strategy.ask(100)
    expect(proposals).toHaveLength(1 + 8)
    strategy.tell(proposals.slice(0, 8).map((p, id) => scored(problem, candidateOf(p, id))))
    expect(strategy.ask(100)).toEqual([])
    strategy.tell([scored(problem, candidateOf(proposals[8]!, 8))])
    expect(strategy.ask(100)).toHaveLength(8)
  })

  it('finds an optimum inside the bounds, in a corner, and on a log axis', () => {
    for (const problem of [ellipsoid(4), rosenbrock(4), corner(4), logSphere(3)]) {
      expect(search(create(problem), problem, 6000).best, problem.name).toBeLessThan(1e-8)
    }
  })

  it('orders a generation by loss, then id', () => {
    const problem = constant(2)
    const [forwards, backwards] = [create(problem), create(problem)]
    for (let round = 0, id = 0; round < 5; round++) {
      const trials = forwards.ask(100).map(p => scored(problem, candidateOf(p, id++)))
      backwards.ask(100)
      forwards.tell(trials)
      for (const trial of trials.toReversed()) backwards.tell([trial])
    }
    expect(backwards.snapshot()).toEqual(forwards.snapshot())
  })

  it('gets nearly all examples of a stepwise accuracy right', () => {
    const problem = stepwiseAccuracy(8, 50)
    for (const seed of [1, 2, 3]) {
      expect(search(create(problem, {}, seed), problem, 600).best).toBeLessThanOrEqual(-0.9)
    }
  })

  it('folds samples back into the bounds, or moves them there, as asked', () => {
    const problem = sphere(3)
    const onBounds = (boundary: string): number =>
      create(problem, { sigma0: 1, population_size: 100, boundary })
        .ask(101)
        .filter(({ genome }) => genome.some(value => Math.abs(value) === 4)).length
    expect(onBounds('transform')).toBe(0)
    expect(onBounds('penalty')).toBeGreaterThan(30)
  })

  it('hits an optimum on the boundary exactly', () => {
    const problem = corner(6)
    expect(search(create(problem), problem, 2000).best).toBe(0)
    expect(search(create(problem, { boundary: 'transform' }), problem, 2000).best).toBeGreaterThan(0)
  })

  it('looks into the corner where a slope leads long before all coordinates of a sample lie outside at once', () => {
    const slope: TestProblem = {
      ...sphere(10),
      domain: realDomain(10, 0, 1),
      evaluate: genome => [10 - genome.reduce((sum, x) => sum + x, 0)],
    }
    for (const seed of [1, 2, 3]) expect(search(create(slope, {}, seed), slope, 250).best).toBe(0)
  })

  it('walks along the corners where the slope is ten times as steep in one gene as in another', () => {
    const d = 20
    const steepness = (i: number): number => 10 ** (i / (d - 1))
    const slope: TestProblem = {
      ...sphere(d),
      domain: realDomain(d, 0, 1),
      evaluate: genome => [genome.reduce((sum, x, i) => sum + steepness(i) * (i % 3 === 0 ? x : 1 - x), 0)],
    }
    for (const seed of [1, 2, 3]) expect(search(create(slope, {}, seed), slope, 250).best, `seed ${seed}`).toBe(0)
  })

  it('finds the best mixed recipe, whatever the covariance', () => {
    for (const covariance of ['full', 'separable', 'lm-ma']) {
      expect(search(create(mixed(), { covariance }), mixed(), 3000).best, covariance).toBeLessThan(1e-8)
    }
  })

  it('searches a space without a single number', () => {
    const choices = ['a', 'b', 'c']
    const genes = Array.from(
      { length: 12 },
      (_, i): Gene => ({ kind: 'categorical', name: `c${i}`, choices, initial: 0 }),
    )
    const wrong = (x: ArrayLike<number>): number => Array.from(x).filter((k, i) => k !== i % 3).length
    const problem: TestProblem = {
      ...sphere(1),
      domain: { genes, initial: new Float64Array(12) },
      evaluate: x => [wrong(x)],
    }
    expect(search(create(problem), problem, 600).best).toBe(0)
  })

  it('takes the full covariance for few genes, for many the diagonal first and after a restart lm-ma', () => {
    const covariance = (strategy: Strategy): unknown => strategy.diagnostics().covariance
    expect(covariance(create(sphere(20)))).toBe('full')
    const strategy = create(constant(501), { tolflatfitness: 1 })
    expect(covariance(strategy)).toBe('separable')
    search(strategy, constant(501), 30)
    expect(strategy.diagnostics().run).toBe(1)
    expect(covariance(strategy)).toBe('lm-ma')
  })

  it('starts where earlier runs found the best, as wide as those points and a tenth of the range', () => {
    const problem = sphere(3)
    const rng = createRng(9)
    const prior = Array.from({ length: 40 }, (_, id) => {
      const spread = id < 4 ? 0.02 : 2
      const genome = Float64Array.from({ length: 3 }, () => 1 + spread * (2 * rng.uniform() - 1))
      return { ...candidateOf({ genome }, id), losses: [id < 4 ? 0 : 1] }
    })
    const context = { ...problem, rng: createRng(1), budget: undefined }
    const options = cmaEs.options.parse({})
    const warm = cmaEs.create({ ...context, prior }, options)
    expect(Number(warm.diagnostics().sigma)).toBeCloseTo(0.1, 2)
    const middle = warm
      .ask(1000)
      .slice(1)
      .reduce((sum, { genome }) => sum + genome[0]! / 7, 0)
    expect(Math.abs(middle - 1)).toBeLessThan(0.8) // 7 samples of deviation 0.8
    for (const few of [prior.slice(0, 9), prior.map(trial => ({ ...trial, losses: undefined }))]) {
      expect(cmaEs.create({ ...context, prior: few }, options).diagnostics().sigma).toBe(0.15)
    }
  })

  it('prefers the choices that were best before', () => {
    const problem = mixed()
    const prior = Array.from({ length: 100 }, (_, id) => {
      const genome = problem.domain.initial.slice()
      genome[0] = id < 10 ? 2 : 0
      return { ...candidateOf({ genome }, id), losses: [id] }
    })
    const strategy = cmaEs.create(
      { ...problem, rng: createRng(1), budget: undefined, prior },
      cmaEs.options.parse({ population_size: 100 }),
    )
    const genomes = strategy.ask(101).map(({ genome }) => genome[0])
    expect(genomes.slice(1).filter(method => method === 2).length).toBeGreaterThan(60) // 11 in 13 expected
  })

  it('learns from known recipes: one near the optimum draws the search there', () => {
    const problem = ellipsoid(8)
    const best = (guesses: readonly Float64Array[]): number => {
      const context = { ...problem, rng: createRng(4), budget: undefined, guesses }
      return search(cmaEs.create(context, cmaEs.options.parse({})), problem, 60).best
    }
    const near = problem.optimizer.map(v => v + 0.05)
    const strategy = cmaEs.create(
      { ...problem, rng: createRng(4), budget: undefined, guesses: [near, problem.domain.initial, near] },
      cmaEs.options.parse({}),
    )
    expect(strategy.ask(2).map(({ genome }) => genome)).toEqual([problem.domain.initial, near])
    expect(strategy.ask(100)).toHaveLength(10 - 1) // it takes the place of a sample; the declared start is not repeated
    expect(best([near])).toBeLessThan(best([]) / 10)
  })

  it('ends at the target, naming it', () => {
    const problem = sphere(2)
    const strategy = create(problem, { ftarget: 1e-3 })
    const { spent, best } = search(strategy, problem, 1000)
    expect(best).toBeLessThanOrEqual(1e-3)
    expect(spent).toBeLessThan(400)
    expect(strategy.stopReason()?.criterion).toBe('ftarget')
    expect(strategy.ask(5)).toEqual([])
  })

  it('takes rounding in an accuracy of N examples for equality', () => {
    const problem: TestProblem = { ...sphere(2), objectives: [maximize('accuracy', 0, 1)] }
    const scores = new Float32Array(40).fill(1, 0, 30)
    const run = (scored: boolean): string | undefined => {
      const strategy = create(problem, { restarts: 'none' })
      for (let id = 0; id < 500; ) {
        const trials = strategy.ask(50).map((p, i) => ({
          ...candidateOf(p, id + i),
          losses: [-0.75 + 1e-9 * ((id + i) % 5)],
          ...(scored ? { exampleScores: [scores] } : {}),
        }))
        if (trials.length === 0) break
        id += trials.length
        strategy.tell(trials)
      }
      return strategy.stopReason()?.criterion
    }
    expect(run(true)).toBe('tolflatfitness')
    expect(run(false)).not.toBe('tolflatfitness')
  })

  it('widens its search on a plateau, to a third of the box at most', () => {
    const problem = constant(3)
    const strategy = create(problem, { tolflatfitness: 50, sigma0: 0.01 })
    const widths: number[] = []
    for (let id = 0; id < 140; ) {
      strategy.tell(strategy.ask(100).map(p => scored(problem, candidateOf(p, id++))))
      widths.push(Number(strategy.diagnostics().largestDeviation))
    }
    expect(widths[5]).toBeGreaterThan(0.05)
    expect(widths.at(-1)).toBeGreaterThan(0.25)
    expect(Math.max(...widths)).toBeLessThan(1 / 3 + 1e-12)
  })

  it('does not move when a whole generation fails', () => {
    const problem = sphere(3)
    const strategy = create(problem)
    const before = strategy.diagnostics()
    for (let round = 0, id = 0; round < 30; round++)
      strategy.tell(strategy.ask(100).map(p => failed(candidateOf(p, id++))))
    expect(strategy.diagnostics()).toEqual(before)
  })

  it('finds the compromise of several objectives', () => {
    const problem = corners(4, 2)
    const strategy = create(problem)
    let best = Number.POSITIVE_INFINITY
    for (let id = 0; id < 800; ) {
      const trials = strategy.ask(50).map(p => scored(problem, candidateOf(p, id++)))
      for (const trial of trials) best = Math.min(best, Math.max(...trial.losses!))
      strategy.tell(trials)
    }
    expect(best).toBeCloseTo(0.09, 4) // half way between the two points, 0.3 from both in every coordinate
    for (const other of [zdt1(5), dtlz2(6, 3)]) expect(search(create(other), other, 200).spent).toBe(200)
  })

  it('ends after one run without restarts, saying why, once the final mean is scored', () => {
    const problem = sphere(2)
    const strategy = create(problem, { restarts: 'none' })
    const { spent, best } = search(strategy, problem, 10_000)
    expect(spent).toBeLessThan(2000)
    expect(best).toBeLessThan(1e-12)
    const reason = strategy.stopReason()
    expect(['tolfun', 'tolfunhist', 'tolx']).toContain(reason?.criterion)
    expect(reason?.detail).toMatch(/after \d+ generations$/)
    expect(strategy.ask(5)).toEqual([])
    expect((spent - 2) % 6).toBe(0) // generations of 6, the start and the final mean
  })

  it('stops on a plateau only after several flat generations', () => {
    const problem = constant(3)
    const strategy = create(problem, { restarts: 'none', tolflatfitness: 4 })
    expect(search(strategy, problem, 1000).spent).toBe(1 + 4 * 7 + 1)
    expect(strategy.stopReason()).toEqual({ criterion: 'tolflatfitness', detail: '4 flat generations in a row' })
  })

  it('restarts in both regimes under bipop, with doubled populations only under ipop', () => {
    const problem = constant(3)
    const seen = (restarts: string): { regimes: Set<unknown>; sizes: Set<unknown> } => {
      const strategy = create(problem, { restarts, tolflatfitness: 2 })
      const regimes = new Set<unknown>()
      const sizes = new Set<unknown>()
      for (let id = 0; id < 4000; ) {
        strategy.tell(strategy.ask(500).map(p => scored(problem, candidateOf(p, id++))))
        const { regime, populationSize } = strategy.diagnostics()
        regimes.add(regime)
        sizes.add(populationSize)
      }
      expect(strategy.stopReason()).toBeUndefined()
      return { regimes, sizes }
    }
    expect(seen('bipop').regimes).toEqual(new Set(['first', 'small', 'large']))
    const ipop = seen('ipop')
    expect(ipop.regimes).toEqual(new Set(['first', 'large']))
    expect(ipop.sizes).toEqual(new Set([7, 14, 28, 56, 112])) // up to max(10 d², 16 λ)
  })

  it('finds the global optimum of a multimodal function by restarting', () => {
    const problem = rastrigin(4)
    expect(search(create(problem, { restarts: 'none' }), problem, 30_000).best).toBeGreaterThan(0.5)
    expect(search(create(problem), problem, 30_000).best).toBeLessThan(1e-8)
  })

  it('samples with the given population, and independently if asked to', () => {
    const problem = sphere(3)
    expect(create(problem, { population_size: 11 }).ask(100)).toHaveLength(12)
    expect(create(problem, { sampling: 'independent' }).ask(9)).not.toEqual(create(problem).ask(9))
    expect(create(problem, { active: false }).ask(8)).toEqual(create(problem).ask(8))
  })

  it('refuses an empty space, and options that contradict the problem', () => {
    const empty = { genes: [], initial: new Float64Array() }
    expect(() => create({ ...sphere(2), domain: empty })).toThrow(
      'Strategy "cma-es" needs at least one gene, got none.',
    )
    expect(() => create(sphere(2), { learning_rate_adaptation: true, covariance: 'separable' })).toThrow(ConfigError)
    expect(() => create(corners(2, 3), { ftarget: 0.1 })).toThrow('ftarget needs exactly one objective, got 3.')
  })

  it('refuses a trial it did not ask for, or was told before', () => {
    const problem = sphere(2)
    const strategy = create(problem)
    const [proposal] = strategy.ask(1)
    const trial = scored(problem, candidateOf(proposal!, 0))
    expect(() => strategy.tell([{ ...trial, id: 1 }])).toThrow('not yet told, got 1.')
    strategy.tell([trial])
    expect(() => strategy.tell([trial])).toThrow('not yet told, got 0.')
  })

  it('documents every option and its default', () => {
    const schema: unknown = cmaEs.options.toJSONSchema?.({ io: 'input' })
    const { properties } = schema as { properties: Record<string, { description?: string; default?: unknown }> }
    for (const [key, property] of Object.entries(properties)) {
      expect(property.description, key).toMatch(/\.$/)
      expect(property.default, key).toBeDefined()
    }
  })
})

/** Optimum in a corner of the box, with a gradient pointing outwards. */
function corner(d: number): TestProblem {
  const domain = realDomain(d, 0, 1)
  return {
    name: 'corner',
    domain,
    objectives: [minimize('corner', 10, 0)],
    optimizer: new Float64Array(d),
    optimum: [0],
    evaluate: x => [x.reduce((sum, v, i) => sum + (i % 2 === 0 ? v : 1 - v), 0)],
  }
}

function logSphere(d: number): TestProblem {
  const genes = Array.from(
    { length: d },
    (_, i): Gene => ({ kind: 'real', name: `x${i}`, low: 1e-6, high: 1, scale: 'log', initial: 1e-2 }),
  )
  return {
    name: 'sphere in the logarithm',
    domain: { genes, initial: new Float64Array(d).fill(1e-2) },
    objectives: [minimize('log sphere', 10, 0)],
    optimizer: new Float64Array(d).fill(1e-4),
    optimum: [0],
    evaluate: x => [x.reduce((sum, v) => sum + (Math.log10(v) + 4) ** 2, 0)],
  }
}

function rastrigin(d: number): TestProblem {
  return {
    ...sphere(d),
    name: 'Rastrigin',
    domain: realDomain(d, -4, 4, new Float64Array(d).fill(2.7)),
    evaluate: x => [x.reduce((sum, v) => sum + v * v + 10 * (1 - Math.cos(2 * Math.PI * v)), 0)],
  }
}
