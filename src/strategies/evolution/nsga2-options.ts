import { z } from 'zod'
import type { StrategyDescription } from '../strategy.ts'
import { populationSizeOption, variationOptions } from './options.ts'

const optionsSchema = z.strictObject({
  population_size: populationSizeOption(),
  ...variationOptions({ crossoverProbability: 0.9, crossoverIndex: 15 }),
})
export type Nsga2Options = z.infer<typeof optionsSchema>

export const nsga2Description: StrategyDescription<Nsga2Options> = {
  kind: 'nsga2',
  reference:
    'K. Deb, A. Pratap, S. Agarwal, T. Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEC 6(2), 2002',
  summary:
    'Evolution by non-dominated fronts and crowding: two objectives, any kind of gene, thousands of evaluations.',
  options: optionsSchema,
}
