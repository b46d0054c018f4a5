import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { bayes } from '../../../src/strategies/bayes/bayes.ts'
import type { Strategy } from '../../../src/strategies/strategy.ts'
import { candidateOf, failed, minimize, realDomain, scored, type TestProblem } from '../../problems/problem.ts'
import { sphere } from '../../problems/single-objective.ts'

const CHEAP = { raw_samples: 64, starts: 2, max_iterations: 20 }

/** A wide bowl whose floor is at 0.1, and a steeper, narrower one at (0.12, 0.15) that goes down to 0. */
const deceptive: TestProblem = {
  name: 'deceptive',
  domain: realDomain(2, 0, 1, [0.8, 0.6]),
  objectives: [minimize('loss', 1)],
  optimizer: Float64Array.of(0.12, 0.15),
  optimum: [0],
  evaluate: ([x, y]) => {
    const wide = 0.1 + (x! - 0.7) ** 2 + (y! - 0.7) ** 2
    const narrow = 8 * ((x! - 0.12) ** 2 + (y! - 0.15) ** 2)
    return [Math.min(wide, narrow)]
  },
}

function create(problem: TestProblem, options: object = {}, seed = 1, budget?: number): Strategy {
  const { domain, objectives } = problem
  return bayes.create(
    { domain, objectives, rng: createRng(seed), budget },
    bayes.options.parse({ ...CHEAP, ...options }),
  )
}

function search(strategy: Strategy, problem: TestProblem, count: number): { genome: string; loss: number }[] {
  return Array.from({ length: count }, (_, id) => {
    const trial = scored(problem, candidateOf(strategy.ask(1)[0]!, id))
    strategy.tell([trial])
    return { genome: String(trial.genome), loss: trial.losses![0]! }
  })
}

describe('bayes that starts afresh', () => {
  it('is a single search until the model expects nothing more', () => {
    const [one, many] = [create(sphere(3), { restarts: false }), create(sphere(3))]
    const [a, b] = [search(one, sphere(3), 80), search(many, sphere(3), 80)]
    const parting = a.findIndex(({ genome }, i) => genome !== b[i]!.genome)
    expect(parting).toBeGreaterThan(12)
    expect(many.diagnostics().searches).toBeGreaterThan(1)
    // From there on every second candidate is the further search's, the others are the first one's.
    const next = a.slice(parting, parting + 5).map(t => t.genome)
    const after = b.slice(parting, parting + 11).map(t => t.genome)
    const places = next.map(genome => after.indexOf(genome))
    expect(places[0]).toBeLessThanOrEqual(2)
    expect(places.slice(1).map((place, i) => place - places[i]!)).toEqual([2, 2, 2, 2])
  })

  it('finds a narrow minimum that a single search gives up', () => {
    const best = (options: object) =>
      [1, 2, 3, 4, 5].map(seed =>
        Math.min(...search(create(deceptive, options, seed), deceptive, 100).map(t => t.loss)),
      )
    const [single, restarted] = [best({ restarts: false }), best({})]
    const found = (losses: number[]) => losses.filter(loss => loss < 0.05).length
    expect(found(restarted)).toBeGreaterThan(found(single))
  })

  it('does not begin what the budget cannot finish', () => {
    const strategy = create(sphere(3), {}, 1, 60)
    search(strategy, sphere(3), 60)
    expect(strategy.diagnostics().searches).toBe(1)
  })

  it('takes late tells of a search that was given up, and refuses ids it does not know', () => {
    const strategy = create(sphere(2))
    search(strategy, sphere(2), 40)
    const late = strategy.ask(2).map((proposal, i) => candidateOf(proposal, 40 + i))
    for (let id = 42; id < 160; id++) strategy.tell([scored(sphere(2), candidateOf(strategy.ask(1)[0]!, id))])
    expect(strategy.diagnostics().searches).toBeGreaterThan(2)
    strategy.tell(late.map(failed))
    expect(strategy.diagnostics().pending).toBe(0)
    expect(() => strategy.tell(late.map(failed))).toThrow('not yet told, got 40')
  })

  it('continues bit by bit from a snapshot taken after it has started afresh', () => {
    const context = { domain: deceptive.domain, objectives: deceptive.objectives, rng: createRng(5), budget: undefined }
    const options = bayes.options.parse(CHEAP)
    const strategy = bayes.create(context, options)
    search(strategy, deceptive, 90)
    expect(strategy.diagnostics().searches).toBeGreaterThan(1)
    const open = strategy.ask(3)
    const twin = bayes.restore(context, options, JSON.parse(JSON.stringify(strategy.snapshot())))
    for (const s of [strategy, twin]) {
      s.tell(open.map((proposal, i) => scored(deceptive, candidateOf(proposal, 90 + i))))
    }
    for (let id = 93; id < 130; id++) {
      const [a, b] = [strategy.ask(1)[0]!, twin.ask(1)[0]!]
      expect(String(a.genome)).toBe(String(b.genome))
      for (const s of [strategy, twin]) s.tell([scored(deceptive, candidateOf(a, id))])
    }
  })
})
