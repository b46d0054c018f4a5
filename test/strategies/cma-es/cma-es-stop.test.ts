import { describe, expect, it } from 'vitest'
import { cmaEsConstants } from '../../../src/strategies/cma-es/cma-es-run.ts'
import { CmaEsStop, type Distribution, type StopTolerances } from '../../../src/strategies/cma-es/cma-es-stop.ts'

const tolerances: StopTolerances = { tolx: 1e-11, tolfun: 1e-11, tolfunhist: 1e-12, tolflatfitness: 10 }
const constants = cmaEsConstants(2, 6, true) // recent history: 20; stagnation: 147 generations; maxiter: 1630

/** A distribution in two dimensions in the middle of a healthy run, with the given differences. */
function distribution(changes: Partial<Distribution> = {}): Distribution {
  return {
    constants,
    mean: Float64Array.of(0.5, 0.5),
    sigma: 0.1,
    sigma0: 0.1,
    generation: 1,
    deviation: () => 0.1,
    pathStep: () => 0.1,
    axis: k => Float64Array.of(k === 0 ? 0.1 : 0, k === 1 ? 0.1 : 0),
    axisRange: () => ({ shortest: 1, longest: 1 }),
    ...changes,
  }
}

interface Generation {
  readonly losses: readonly number[]
  readonly changes?: Partial<Distribution>
}

/** The first criterion over up to `count` generations, and the generation in which it held. */
function firstStop(
  count: number,
  at: (generation: number) => Generation,
  options: Partial<StopTolerances> = {},
  maxGenerations?: number,
  step = 0, // smallest difference between two losses, where it is known
): { criterion: string; generation: number } | undefined {
  const stop = new CmaEsStop(distribution(), { ...tolerances, ...options }, maxGenerations)
  for (let generation = 1; generation <= count; generation++) {
    const { losses, changes } = at(generation)
    // A mean that moves, unless the case says otherwise.
    const mean = Float64Array.of(0.5 + (generation % 2) * 1e-3, 0.5)
    const reason = stop.observe(distribution({ mean, generation, ...changes }), losses, step)
    if (reason !== undefined) return { criterion: reason.criterion, generation }
  }
  return undefined
}

const spread = (best: number): number[] => [0, 1, 2, 3, 4, 5].map(k => best + k)
/** Losses that fall for ever. */
const falling = (generation: number): Generation => ({ losses: spread(-generation) })
const once = (changes: Partial<Distribution>): string | undefined =>
  firstStop(1, () => ({ losses: spread(0), changes }))?.criterion

describe('CmaEsStop', () => {
  it('lets a healthy run go on', () => {
    expect(firstStop(1000, falling)).toBeUndefined()
  })

  it('ends a run after its generations: 100 + 150 (n + 3)² / sqrt(λ), or fewer if planned so', () => {
    expect(firstStop(2000, falling)).toEqual({ criterion: 'maxiter', generation: 1630 })
    expect(firstStop(2000, falling, {}, 12)).toEqual({ criterion: 'maxiter', generation: 12 })
    expect(firstStop(2000, falling, {}, 5000)).toEqual({ criterion: 'maxiter', generation: 1630 })
  })

  it('knows a distribution that exploded, shrank to a point, or lost its shape', () => {
    expect(once({ deviation: () => 101 })).toBe('tolfacupx')
    expect(once({ deviation: () => 99 })).toBeUndefined()
    expect(once({ deviation: () => 9e-12, pathStep: () => 9e-12 })).toBe('tolx')
    expect(once({ deviation: () => 9e-12, pathStep: i => i * 1e-10 })).toBeUndefined()
    expect(once({ axisRange: () => ({ shortest: 0.9e-7, longest: 1 }) })).toBe('tolconditioncov')
    expect(once({ axisRange: () => ({ shortest: 1.1e-7, longest: 1 }) })).toBeUndefined()
    expect(once({ sigma: 1e20 })).toBe('tolupsigma')
  })

  it('knows steps too small to change the mean', () => {
    expect(once({ deviation: i => (i === 1 ? 1e-17 : 0.1) })).toBe('noeffectcoord')
    expect(once({ axis: () => Float64Array.of(1e-17, 1e-17) })).toBe('noeffectaxis')
    expect(once({ axis: k => Float64Array.of(k === 0 ? 1e-17 : 0.1, 0) })).toBeUndefined() // axis 1 is due in generation 1
  })

  it('ends when losses no longer differ: soon, or after a full history where they come in steps', () => {
    expect(firstStop(100, () => ({ losses: [1, 1, 1, 1, 1, 1 + 1e-13] }), { tolflatfitness: 1000 })).toEqual({
      criterion: 'tolfun',
      generation: 10,
    })
    expect(firstStop(100, () => ({ losses: spread(1) }))).toEqual({ criterion: 'tolfunhist', generation: 10 })
    const stepwise = firstStop(100, () => ({ losses: spread(1) }), {}, undefined, 0.01)
    expect(stepwise).toEqual({ criterion: 'tolfunhist', generation: 20 })
    const late = (generation: number): Generation => ({ losses: spread(generation < 30 ? -generation : -30) })
    expect(firstStop(100, late)).toEqual({ criterion: 'tolfunhist', generation: 49 })
  })

  it('takes its tolerances as given: steps of 1/50 count as equal', () => {
    const steps = (generation: number): Generation => ({ losses: spread((generation % 2) / 50) })
    expect(firstStop(100, steps)).toBeUndefined()
    expect(firstStop(100, steps, { tolfunhist: 0.03 })).toEqual({ criterion: 'tolfunhist', generation: 10 })
  })

  it('ends after flat generations in a row', () => {
    expect(firstStop(30, () => ({ losses: [1, 1, 1, 1, 1, 2] }), { tolfun: 0, tolfunhist: 0 })).toEqual({
      criterion: 'tolflatfitness',
      generation: 10,
    })
    const broken = (generation: number): Generation => ({
      losses: generation % 8 === 0 ? spread(1) : [1, 1, 1, 1, 1, 2],
    })
    expect(firstStop(19, broken, { tolfun: 0, tolfunhist: 0 })).toBeUndefined()
  })

  it('ends when best and median have stagnated', () => {
    const noise = (generation: number): Generation => ({ losses: spread((generation % 3) / 2) })
    expect(firstStop(300, noise)).toEqual({ criterion: 'tolstagnation', generation: 147 })
    const slow = (generation: number): Generation => ({ losses: spread(Math.sin(generation) ** 2 - generation / 100) })
    expect(firstStop(1000, slow)).toBeUndefined()
  })

  it('ends when the mean rests', () => {
    const resting = (generation: number): Generation => ({
      ...falling(generation),
      changes: { mean: Float64Array.of(0.5, 0.5 + 1e-10 * (generation % 3)) },
    })
    expect(firstStop(100, resting)).toEqual({ criterion: 'tolxstagnation', generation: 23 })
  })

  it('does not mistake failed candidates for a spread', () => {
    const failing = (): Generation => ({
      losses: [1, 1, 1, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    })
    expect(firstStop(100, failing)).toEqual({ criterion: 'tolfun', generation: 10 })
  })

  it('keeps its histories short in high dimension and continues from its snapshot', () => {
    const large = cmaEsConstants(300, 21, true)
    const at = (generation: number): Distribution =>
      distribution({ constants: large, generation, mean: new Float64Array(300).fill(generation) })
    const stop = new CmaEsStop(at(0), tolerances, undefined)
    for (let g = 1; g <= 3000; g++) expect(stop.observe(at(g), spread(-g))).toBeUndefined()
    const state = stop.snapshot()
    expect(JSON.stringify(state).length).toBeLessThan(12_000)
    const twin = CmaEsStop.restore(state, at(3000), tolerances, undefined)
    stop.observe(at(3001), spread(0))
    twin.observe(at(3001), spread(0))
    expect(twin.snapshot()).toEqual(stop.snapshot())
  })
})
