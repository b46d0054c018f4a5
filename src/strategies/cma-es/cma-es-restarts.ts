import { z } from 'zod'
import type { Rng } from '../../rng.ts'

/**
 * What to start when a CMA-ES run has ended.
 * - `ipop`: again with twice the population (A. Auger, N. Hansen, "A restart CMA evolution strategy with increasing population
 *   size", CEC 2005).
 * - `bipop`: that, in turn with runs of small populations and small steps, so that both regimes get about the same number of
 *   evaluations (N. Hansen, GECCO 2009 workshop, section 2.1). The first run counts as small.
 */
export const RESTARTS = ['none', 'ipop', 'bipop'] as const
export type Restarts = (typeof RESTARTS)[number]

export const restartStateSchema = z.strictObject({
  run: z.number().int(), // index of the current run
  regime: z.enum(['first', 'large', 'small']), // of the current run
  doublings: z.number().int(), // of the population, by large runs so far
  smallEvaluations: z.number().int(), // spent by finished first and small runs
  largeEvaluations: z.number().int(), // spent by finished large runs
})
export type RestartState = z.infer<typeof restartStateSchema>

export interface RunPlan {
  readonly state: RestartState
  readonly populationSize: number
  /** Share of the configured initial step size. */
  readonly sigmaFactor: number
  /** Generations the run may take beside its own stop criteria. */
  readonly maxGenerations: number | undefined
}

export function firstRun(populationSize: number): RunPlan {
  const state = { run: 0, regime: 'first', doublings: 0, smallEvaluations: 0, largeEvaluations: 0 } as const
  return { state, populationSize, sigmaFactor: 1, maxGenerations: undefined }
}

/**
 * The run after the one that `previous` describes, which spent `evaluations`.
 * @param basePopulation population size of the first run.
 */
export function nextRun(
  policy: Exclude<Restarts, 'none'>,
  previous: RestartState,
  evaluations: number,
  basePopulation: number,
  dimension: number,
  rng: Rng,
): RunPlan {
  const large = previous.regime === 'large'
  const spent = {
    run: previous.run + 1,
    smallEvaluations: previous.smallEvaluations + (large ? 0 : evaluations),
    largeEvaluations: previous.largeEvaluations + (large ? evaluations : 0),
  }
  if (policy === 'bipop' && spent.smallEvaluations < spent.largeEvaluations) {
    const largest = 2 ** previous.doublings
    const populationSize = Math.floor(basePopulation * largest ** (rng.uniform() ** 2))
    return {
      state: { ...spent, regime: 'small', doublings: previous.doublings },
      populationSize,
      sigmaFactor: 0.01 ** rng.uniform(),
      maxGenerations: Math.ceil((0.5 * spent.largeEvaluations) / populationSize),
    }
  }
  // Beyond 10 n² a larger population no longer pays (T. Liao, T. Stützle, CEC 2013): begin the doubling anew.
  const limit = Math.max(10 * dimension ** 2, 16 * basePopulation)
  const doublings = basePopulation * 2 ** (previous.doublings + 1) > limit ? 0 : previous.doublings + 1
  return {
    state: { ...spent, regime: 'large', doublings },
    populationSize: basePopulation * 2 ** doublings,
    sigmaFactor: 1,
    maxGenerations: undefined,
  }
}
