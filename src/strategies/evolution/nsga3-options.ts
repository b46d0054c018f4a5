import { z } from 'zod'
import type { StrategyDescription } from '../strategy.ts'
import { populationSizeOption, variationOptions } from './options.ts'

const optionsSchema = z.strictObject({
  /** There are at most as many reference directions. */
  population_size: populationSizeOption(),
  ...variationOptions({ crossoverProbability: 1, crossoverIndex: 30 }),
})
export type Nsga3Options = z.infer<typeof optionsSchema>

export const nsga3Description: StrategyDescription<Nsga3Options> = {
  kind: 'nsga3',
  reference:
    'K. Deb, H. Jain, "An evolutionary many-objective optimization algorithm using reference-point-based nondominated sorting approach, part I", IEEE TEC 18(4), 2014',
  summary: 'Evolution along evenly spread directions: three and more objectives, any kind of gene.',
  options: optionsSchema,
}
