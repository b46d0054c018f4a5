import { z } from 'zod'
import type { StrategyContext, StrategyDefinition } from '../strategy.ts'
import { crowdedOrder, selectByCrowding } from './crowding.ts'
import { Generational, type GenerationalAlgorithm } from './generational.ts'
import { populationSizeOf, populationSizeOption, variationOf, variationOptions } from './options.ts'

const optionsSchema = z.strictObject({
  population_size: populationSizeOption(),
  ...variationOptions({ crossoverProbability: 0.9, crossoverIndex: 15 }),
})
export type Nsga2Options = z.infer<typeof optionsSchema>

function algorithm(context: StrategyContext, options: Nsga2Options): GenerationalAlgorithm<null> {
  return {
    kind: 'nsga2',
    version: 1,
    populationSize: populationSizeOf(options.population_size, context.budget),
    variation: variationOf(options, context.domain.genes.length),
    memorySchema: z.null(),
    firstMemory: null,
    select: (losses, count) => {
      const { survivors, ranks, crowding } = selectByCrowding(losses, count)
      return { survivors, standing: crowdedOrder(ranks, crowding), memory: null }
    },
    diagnostics: () => ({}),
  }
}

/**
 * NSGA-II: whole non-dominated fronts survive, and of the last one the least crowded; tournaments prefer both, in this order. (The
 * authors' program asks who dominates whom instead of comparing fronts: slower on most problems in the first 5,000 evaluations.)
 */
export const nsga2: StrategyDefinition<Nsga2Options> = {
  kind: 'nsga2',
  reference:
    'K. Deb, A. Pratap, S. Agarwal, T. Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEC 6(2), 2002',
  summary:
    'Evolution by non-dominated fronts and crowding: two objectives, any kind of gene, thousands of evaluations.',
  options: optionsSchema,
  create: (context, options) => Generational.create(context, algorithm(context, options)),
  restore: (context, options, snapshot) => Generational.restore(context, algorithm(context, options), snapshot),
}
