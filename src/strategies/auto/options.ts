import { z } from 'zod'
import { SCALARIZATIONS } from '../../scalarization.ts'
import type { StrategyDescription } from '../strategy.ts'

const optionsSchema = z.strictObject({
  model_evaluations: z
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(250)
    .describe(
      'Candidates that a model-based strategy proposes at most before evolution goes on; where the budget is less than twice as many, ' +
        'there is no such change.',
    ),
  scalarization: z
    .enum(SCALARIZATIONS)
    .default('worst')
    .describe('How several objectives become one: "worst" normalised objective, or their "mean".'),
})
export type AutoOptions = z.infer<typeof optionsSchema>

export const autoDescription: StrategyDescription<AutoOptions> = {
  kind: 'auto',
  reference: 'In the manner of Optuna’s AutoSampler (2024); the rules are in docs/strategies.md',
  summary: 'Chooses a strategy by genes, objectives and budget, and changes it when another gets more out of the rest.',
  options: optionsSchema,
}
