import { z } from 'zod'
import { initialSpread } from '../initial-spread.ts'
import type { StrategyDescription } from '../strategy.ts'

const optionsSchema = z.strictObject({
  startup: z
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(10)
    .describe(
      'Evenly spread candidates until this many have been scored; the declared start and known recipes come first.',
    ),
  initial_spread: initialSpread(1),
  candidates: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(24)
    .describe('Samples drawn for each proposal, of which the most promising is proposed.'),
  best_share: z
    .number()
    .gt(0)
    .max(0.5)
    .default(0.1)
    .describe('Share of the observations that counts as good; with one objective at most 25 of them.'),
  data_limit: z
    .number()
    .int()
    .min(50)
    .max(100_000)
    .default(1000)
    .describe('Trials learned from at most: the best half of this number, and the newest others.'),
})
export type TpeOptions = z.infer<typeof optionsSchema>

export const tpeDescription: StrategyDescription<TpeOptions> = {
  kind: 'tpe',
  reference:
    'J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl, "Algorithms for hyper-parameter optimization", NeurIPS 2011; S. Watanabe, arXiv:2304.11127, 2023',
  summary:
    'Multivariate tree-structured Parzen estimator: cheap, for mixed and conditional genes and many evaluations.',
  options: optionsSchema,
}
