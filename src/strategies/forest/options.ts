import { z } from 'zod'
import { SCALARIZATIONS } from '../../scalarization.ts'
import { initialSpread } from '../initial-spread.ts'
import type { StrategyDescription } from '../strategy.ts'
import { winnerShare } from '../winner-share.ts'

const optionsSchema = z.strictObject({
  initial_design: z
    .union([z.literal('auto'), z.number().int().min(1).max(100_000)])
    .default('auto')
    .describe(
      'Evenly spread candidates before the first model, the declared start and known recipes included; "auto" is 10 per gene, at most ' +
        'a quarter of the budget (25 where no budget is known).',
    ),
  initial_spread: initialSpread(0.5),
  trees: z.number().int().min(1).max(1000).default(10).describe('Trees of the forest.'),
  challengers: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .default(5000)
    .describe('Random genomes looked at with the model for each proposal.'),
  local_searches: z
    .number()
    .int()
    .min(0)
    .max(1000)
    .default(10)
    .describe('Local searches from the best challengers, and as many from the best genomes known.'),
  random_share: z
    .number()
    .min(0)
    .max(1)
    .default(0.2)
    .describe('Share of proposals drawn at random instead, which guards against a wrong model.'),
  scalarization: z
    .enum(['parego', ...SCALARIZATIONS])
    .default('parego')
    .describe(
      'What several objectives are searched for, with a forest for each: "parego" draws new weights for every proposal and searches the whole front; ' +
        '"worst" normalised objective, or their "mean", searches one point.',
    ),
  winner_share: winnerShare(
    'With "parego", the share of proposals that improve the worst normalised objective, which names a search’s winner, instead of drawing weights.',
  ),
  data_limit: z
    .number()
    .int()
    .min(20)
    .max(100_000)
    .default(1000)
    .describe('Trials learned from at most: the best half of this number, and the newest others.'),
})
export type ForestStrategyOptions = z.infer<typeof optionsSchema>

export const forestDescription: StrategyDescription<ForestStrategyOptions> = {
  kind: 'forest',
  reference:
    'F. Hutter, H. Hoos, K. Leyton-Brown, "Sequential model-based optimization for general algorithm configuration", LION 2011; several objectives: J. Knowles, "ParEGO", IEEE TEC 10(1), 2006',
  summary: 'Bayesian optimisation with a random forest (SMAC, ParEGO): for categorical and conditional genes.',
  options: optionsSchema,
}
