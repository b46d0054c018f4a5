import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { encodingOf } from '../../../src/strategies/bayes/encoding.ts'
import { cmaEs } from '../../../src/strategies/cma-es/cma-es.ts'
import { LossMemory } from '../../../src/strategies/cma-es/loss-memory.ts'
import type { Strategy, ToldTrial } from '../../../src/strategies/strategy.ts'
import { candidateOf, scored, type TestProblem } from '../../problems/problem.ts'
import { ellipsoid, sphere } from '../../problems/single-objective.ts'

function create(problem: TestProblem, seed = 1): Strategy {
  return cmaEs.create(
    { ...problem, rng: createRng(seed), budget: undefined },
    cmaEs.options.parse({ restarts: 'none' }),
  )
}

/** As if it had been scored on some examples. */
function estimated(trial: ToldTrial, error: number, noise: number): ToldTrial {
  return { ...trial, losses: [trial.losses![0]! + error * noise], standardErrors: [error] }
}

describe('cma-es that is told estimates', () => {
  it('comes nearer to the optimum than with the same losses taken for exact', () => {
    const genes = Array.from({ length: 5 }, (_, k) => ({
      kind: 'real' as const,
      name: `g${k}`,
      initial: 0.5,
      low: 0,
      high: 1,
      scale: 'linear' as const,
    }))
    const problem = { ...sphere(5), domain: { genes, initial: new Float64Array(5).fill(0.5) } }
    const value = (genome: Float64Array): number => genome.reduce((sum, x) => sum + (x - 0.2) ** 2, 0)
    const last = (seed: number, standardError: number): number => {
      const [strategy, rng] = [create(problem, seed), createRng(seed)]
      let id = 0
      let values: number[] = []
      for (let generation = 0; generation < 25; generation++) {
        const trials = strategy.ask(100).map(proposal => candidateOf(proposal, id++))
        values = trials.map(({ genome }) => value(genome))
        strategy.tell(
          trials.map((trial, i) => ({
            ...trial,
            losses: [values[i]! + 0.1 * rng.normal()],
            standardErrors: [standardError],
          })),
        )
      }
      return values.reduce((sum, loss) => sum + loss, 0) / values.length
    }
    const seeds = [0, 1, 2, 3, 4, 5, 6, 7]
    const [known, unknown] = [0.1, 0].map(error => seeds.reduce((sum, seed) => sum + last(seed, error), 0))
    expect(known!).toBeLessThan(0.6 * unknown!)
  })

  it('continues bit by bit from a snapshot in the middle of a generation', () => {
    const problem = ellipsoid(4)
    const rng = createRng(3)
    const strategy = create(problem)
    let id = 0
    const round = (s: Strategy, first: number, noise: readonly number[]): (readonly number[])[] => {
      const proposals = s.ask(3)
      s.tell(proposals.map((p, i) => estimated(scored(problem, candidateOf(p, first + i)), 0.1, noise[i]!)))
      return proposals.map(({ genome }) => [...genome])
    }
    const draw = (): number[] => [rng.normal(), rng.normal(), rng.normal()]
    for (let i = 0; i < 11; i++) id += round(strategy, id, draw()).length
    const snapshot = JSON.parse(JSON.stringify(strategy.snapshot()))
    const context = { ...problem, rng: createRng(9), budget: undefined }
    const restored = cmaEs.restore(context, cmaEs.options.parse({ restarts: 'none' }), snapshot)
    for (let i = 0; i < 12; i++) {
      const noise = draw()
      const asked = round(strategy, id, noise)
      expect(round(restored, id, noise)).toEqual(asked)
      id += asked.length
    }
    expect(restored.snapshot()).toEqual(strategy.snapshot())
  })
})

describe('the memory of losses', () => {
  const problem = sphere(2)
  const memory = (): LossMemory => new LossMemory(encodingOf(problem.domain), problem.objectives, 'worst')
  const trial = (x: number, loss: number, error?: number): ToldTrial => ({
    ...candidateOf({ genome: Float64Array.of(x, 0) }, 0),
    losses: [loss],
    ...(error !== undefined && { standardErrors: [error] }),
  })

  it('has no say and keeps nothing where every loss is of all examples', () => {
    const own = memory()
    ;[0, 1, 2].forEach(i => {
      own.hear(i, trial(i, i), i)
    })
    expect(own.rank()).toBeUndefined()
    expect(own.snapshot()).toEqual({ generation: '', earlier: '' })
  })

  it('hands out the told losses, each once: the best to what its neighbours speak for', () => {
    const own = memory()
    // A valley at 0 and one lucky candidate far from it.
    const xs = Array.from({ length: 21 }, (_, i) => (i - 10) / 10)
    const losses = xs.map(x => (x === 0.9 ? -0.1 : x * x))
    xs.forEach((x, i) => {
      own.hear(i, trial(x, losses[i]!, 0.3), losses[i]!)
    })
    const ranked = own.rank()!
    expect([...ranked.values()].sort()).toEqual([...losses].sort())
    const best = [...ranked].reduce((a, b) => (b[1] < a[1] ? b : a))[0]
    expect(Math.abs(xs[best]!)).toBeLessThan(0.35)
  })

  it('does not depend on the order of arrival', () => {
    const [one, other] = [memory(), memory()]
    const told = [0.3, 0.1, 0.2].map((x, i) => [i, trial(x, x, 0.2), x] as const)
    for (const entry of told) one.hear(...entry)
    for (const entry of [...told].reverse()) other.hear(...entry)
    expect(other.snapshot()).toEqual(one.snapshot())
    expect(other.rank()).toEqual(one.rank())
  })
})
