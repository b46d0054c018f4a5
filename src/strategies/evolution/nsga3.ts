import { z } from 'zod'
import type { StrategyContext, StrategyDefinition } from '../strategy.ts'
import { Generational, type GenerationalAlgorithm } from './generational.ts'
import { type Nsga3Options, nsga3Description } from './nsga3-options.ts'
import { selectNsga3 } from './nsga3-selection.ts'
import { populationSizeOf, variationOf } from './options.ts'
import { referenceDirections } from './reference-directions.ts'

/** `Nsga3Memory`; all empty before the first selection, as JSON has no infinities. */
const memorySchema = z.strictObject({
  ideal: z.array(z.number()),
  worst: z.array(z.number()),
  extremes: z.array(z.array(z.number())),
})
type Memory = z.infer<typeof memorySchema>

function algorithm(context: StrategyContext, options: Nsga3Options): GenerationalAlgorithm<Memory> {
  const m = context.objectives.length
  const size = populationSizeOf(options.population_size, context.budget)
  const directions = referenceDirections(m, size)
  return {
    kind: 'nsga3',
    version: 1,
    // Automatic: one member a direction, and an even number for the pairs.
    populationSize:
      options.population_size === 'auto' ? 2 * Math.ceil(directions.length / 2) : Math.max(size, directions.length),
    variation: variationOf(options, context.domain.genes.length),
    memorySchema,
    firstMemory: { ideal: [], worst: [], extremes: [] },
    select: (losses, count, memory, rng) => {
      const { survivors, memory: after } = selectNsga3(losses, count, directions, memory, rng)
      const kept = { ideal: [...after.ideal], worst: [...after.worst], extremes: after.extremes.map(e => [...e]) }
      // Parents are drawn at random: every niche matters alike.
      return { survivors, standing: survivors.map(() => 0), memory: kept }
    },
    diagnostics: (_, memory) => ({ directions: directions.length, ideal: memory.ideal }),
  }
}

/** NSGA-III: whole non-dominated fronts survive, and of the last one what fills the emptiest of evenly spread directions. */
export const nsga3: StrategyDefinition<Nsga3Options> = {
  ...nsga3Description,
  create: (context, options) => Generational.create(context, algorithm(context, options)),
  restore: (context, options, snapshot) => Generational.restore(context, algorithm(context, options), snapshot),
}
