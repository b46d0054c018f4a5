import { z } from 'zod'
import type { StrategyContext, StrategyDefinition } from '../strategy.ts'
import { crowdedOrder, selectByCrowding } from './crowding.ts'
import { Generational, type GenerationalAlgorithm } from './generational.ts'
import { type Nsga2Options, nsga2Description } from './nsga2-options.ts'
import { populationSizeOf, variationOf } from './options.ts'

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
  ...nsga2Description,
  create: (context, options) => Generational.create(context, algorithm(context, options)),
  restore: (context, options, snapshot) => Generational.restore(context, algorithm(context, options), snapshot),
}
