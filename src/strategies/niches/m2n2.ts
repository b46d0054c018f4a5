import { z } from 'zod'
import { ConfigError } from '../../errors.ts'
import { restoreRng } from '../../rng.ts'
import { snapshotState } from '../snapshot.ts'
import type { StrategyContext, StrategyDefinition } from '../strategy.ts'
import { breedingFor, mutationOption, sampleOption, sampleSize } from './breeding.ts'
import type { Crossover } from './genome-breeding.ts'
import { NichePopulation } from './niche-population.ts'
import { type SteadyParts, SteadyStateSearch, stateSchema } from './steady-state.ts'

/**
 * Natural niches, and the plain genetic algorithm that is left of them when nothing is shared. A candidate lives by the examples it solves and
 * few others do, and mates with who solves what it does not.
 *
 * J. Abrantes, R. Lange, Y. Tang, "Competition and Attraction Improve Model Fusion", GECCO 2025, https://arxiv.org/abs/2508.16204
 */
const VERSION = 1

const common = {
  archive_size: z
    .union([z.literal('auto'), z.number().int().min(2).max(1000)])
    .default('auto')
    .describe(
      'Candidates alive at once; "auto": half the square root of the budget, at least 6 and at most 20, the authors’ size. Small ones are ' +
        'faster at first and worse in the end.',
    ),
  crossover: z
    .boolean()
    .default(true)
    .describe('Whether children have two parents; otherwise they are copies that mutate.'),
  split_point: z
    .boolean()
    .default(true)
    .describe('Whether a child is mixed one way before a random point and the other way after it.'),
  mutation: mutationOption,
  initial_sample: sampleOption,
  subtract_worst: z
    .boolean()
    .default(false)
    .describe(
      'Example scores count from the worst one of the archive on: for graded scores with a floor that all share.',
    ),
}

const m2n2Options = z.strictObject({
  alpha: z
    .number()
    .min(0)
    .max(10)
    .default(1)
    .describe('How much the solvers of an example have to share it: 1 fully, 0 not at all.'),
  attraction: z
    .boolean()
    .default(true)
    .describe('Whether the second parent is chosen for what it scores where the first does not.'),
  ...common,
})
const gaOptions = z.strictObject(common)

function parts(kind: string, context: StrategyContext, options: z.infer<typeof m2n2Options>): SteadyParts {
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
  kind: string,
  summary: string,
  options: z.ZodType<Options>,
  full: (options: Options) => z.infer<typeof m2n2Options>,
): StrategyDefinition<Options> {
  return {
    kind,
    reference:
      'J. Abrantes, R. Lange, Y. Tang, "Competition and Attraction Improve Model Fusion", GECCO 2025, https://arxiv.org/abs/2508.16204',
    summary,
    options,
    create: (context, given) => SteadyStateSearch.create(parts(kind, context, full(given))),
    restore: (context, given, snapshot) => {
      const state = snapshotState(snapshot, { kind, version: VERSION, schema: stateSchema })
      return SteadyStateSearch.restore(parts(kind, context, full(given)), state, restoreRng(state.rng))
    },
  }
}

export const m2n2 = define(
  'm2n2',
  'Natural niches: candidates compete for examples and mate with who solves others; best with scores per example.',
  m2n2Options,
  options => options,
)

export const geneticAlgorithm = define(
  'ga',
  'Plain steady-state genetic algorithm: natural niches without niches, to compare with.',
  gaOptions,
  options => ({ ...options, alpha: 0, attraction: false }),
)
