import { z } from 'zod'
import type { StrategyDescription } from '../strategy.ts'

/** N_min: the mutation needs four members. */
export const SMALLEST = 4

const optionsSchema = z.strictObject({
  population_size: z
    .union([z.literal('auto'), z.number().int().min(SMALLEST).max(10_000)])
    .default('auto')
    .describe(
      'Members at the start; "auto" is 18 per gene, at most 100 and at most a twentieth of the budget. With one objective ' +
        'and a known budget it shrinks linearly to 4.',
    ),
})
export type DifferentialEvolutionOptions = z.infer<typeof optionsSchema>

export const differentialEvolutionDescription: StrategyDescription<DifferentialEvolutionOptions> = {
  kind: 'de',
  reference:
    'R. Tanabe, A. S. Fukunaga, "Improving the search performance of SHADE using linear population size reduction", CEC 2014; several objectives: S. Kukkonen, J. Lampinen, "GDE3", CEC 2005',
  summary:
    'Differential evolution with success-history adaptation (L-SHADE): robust on rugged losses, any kind of gene.',
  options: optionsSchema,
}
