import { ConfigError } from '../../errors.ts'
import { restoreRng } from '../../rng.ts'
import { snapshotState } from '../snapshot.ts'
import type { StrategyContext, StrategyDefinition, StrategyDescription } from '../strategy.ts'
import { breedingFor, sampleSize } from './breeding.ts'
import type { Crossover } from './genome-breeding.ts'
import { geneticAlgorithmDescription, type M2n2Options, m2n2Description } from './m2n2-options.ts'
import { NichePopulation } from './niche-population.ts'
import { type SteadyParts, SteadyStateSearch, stateSchema } from './steady-state.ts'

/**
 * Natural niches, and the plain genetic algorithm that is left of them when nothing is shared. A candidate lives by the examples it solves and
 * few others do, and mates with who solves what it does not.
 *
 * J. Abrantes, R. Lange, Y. Tang, "Competition and Attraction Improve Model Fusion", GECCO 2025, https://arxiv.org/abs/2508.16204
 */
const VERSION = 1

function parts(kind: string, context: StrategyContext, options: M2n2Options): SteadyParts {
  if (context.domain.genes.length === 0) throw new ConfigError(`Strategy "${kind}" needs at least one gene, got none.`)
  const { alpha, attraction, archive_size: size, subtract_worst: subtractWorst } = options
  const crossover: Crossover = !options.crossover ? 'none' : options.split_point ? 'split' : 'slerp'
  return {
    kind,
    version: VERSION,
    context,
    rng: context.rng.split(kind),
    population: new NichePopulation(context.objectives, {
      alpha,
      attraction,
      subtractWorst,
      size: size === 'auto' ? automaticSize(context.budget) : size,
    }),
    breeding: breedingFor(context.domain, crossover, options.mutation),
    sample: sampleSize(context, options.initial_sample),
  }
}

/** The authors keep 15 for 1,000 evaluations and 20 for 50,000. */
function automaticSize(budget: number | undefined): number {
  return budget === undefined ? 20 : Math.min(20, Math.max(6, Math.round(Math.sqrt(budget) / 2)))
}

function define<Options>(
  description: StrategyDescription<Options>,
  full: (options: Options) => M2n2Options,
): StrategyDefinition<Options> {
  const { kind } = description
  return {
    ...description,
    create: (context, given) => SteadyStateSearch.create(parts(kind, context, full(given))),
    restore: (context, given, snapshot) => {
      const state = snapshotState(snapshot, { kind, version: VERSION, schema: stateSchema })
      return SteadyStateSearch.restore(parts(kind, context, full(given)), state, restoreRng(state.rng))
    },
  }
}

export const m2n2 = define(m2n2Description, options => options)

export const geneticAlgorithm = define(geneticAlgorithmDescription, options => ({
  ...options,
  alpha: 0,
  attraction: false,
}))
