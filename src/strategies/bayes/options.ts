import { z } from 'zod'
import { SCALARIZATIONS } from '../../scalarization.ts'
import { initialSpread } from '../initial-spread.ts'
import type { StrategyDescription } from '../strategy.ts'
import { winnerShare } from '../winner-share.ts'

const optionsSchema = z.strictObject({
  initial_points: z
    .union([z.literal('auto'), z.number().int().min(1).max(10_000)])
    .default('auto')
    .describe(
      'Scattered candidates before the first model, the declared start included; "auto" is 2 d + 2, from 6 to 20.',
    ),
  initial_spread: initialSpread(0.5),
  noise: z
    .enum(['auto', 'known', 'estimated'])
    .default('auto')
    .describe(
      'Noise of the losses: "known" from the scores of single examples, "estimated" as one level by the model; "auto" is the former where racing scores ' +
        'candidates on some of the examples, the latter where all see the same.',
    ),
  output_transform: z
    .enum(['auto', 'none', 'log'])
    .default('auto')
    .describe(
      'Model the losses as they are ("none"), by a logarithm ("log"), or by whichever makes them the more probable.',
    ),
  raw_samples: z
    .number()
    .int()
    .min(4)
    .max(100_000)
    .default(512)
    .describe('Points at which the acquisition is looked at for each candidate, before climbing.'),
  starts: z.number().int().min(1).max(1000).default(4).describe('Climbs of the acquisition for each candidate.'),
  max_iterations: z.number().int().min(1).max(1000).default(50).describe('Iterations of a climb at most.'),
  max_observations: z
    .number()
    .int()
    .min(10)
    .max(5000)
    .default(1000)
    .describe(
      'Observations the model keeps at most; the cost of a candidate grows with their square, of a fit with their cube.',
    ),
  criterion: z
    .enum(['auto', 'hypervolume', 'parego', 'scalarized'])
    .default('auto')
    .describe(
      'Several objectives, a model of each: candidates gain "hypervolume" (2 or 3 objectives), improve a new random weighting each ("parego"), or all ' +
        'improve the "scalarized" loss, which finds one point; "auto" is the first, or the second for more than 3.',
    ),
  winner_share: winnerShare(
    'With several objectives, the share of candidates that look for the least scalarised loss, which names a search’s winner, instead of for the front.',
  ),
  acquisition: z
    .enum(['auto', 'log-ei', 'noisy-log-ei'])
    .default('auto')
    .describe(
      'For one loss: expected improvement over the best value ("log-ei"), or averaged over what the best value may be under noise ("noisy-log-ei"); ' +
        '"auto" is the latter where the noise is more than a tenth of the losses’ deviation.',
    ),
  trust_region: z
    .union([z.literal('auto'), z.boolean()])
    .default('auto')
    .describe(
      'Search in a box around the best point that adapts its size; "auto": with more than 100 genes and one loss.',
    ),
  restarts: z
    .boolean()
    .default(true)
    .describe(
      'Once the model of one exact loss expects next to nothing more, every second candidate belongs to a search that starts afresh.',
    ),
  scalarization: z
    .enum(SCALARIZATIONS)
    .default('worst')
    .describe('How several objectives become one for "scalarized": the "worst" normalised objective, or their "mean".'),
})
export type BayesOptions = z.infer<typeof optionsSchema>

export const bayesDescription: StrategyDescription<BayesOptions> = {
  kind: 'bayes',
  reference:
    'Gaussian process and log expected improvement: S. Ament et al., NeurIPS 2023; priors: C. Hvarfner et al., ICML 2024',
  summary: 'Bayesian optimisation with a Gaussian process: the most from few evaluations, up to a few hundred.',
  options: optionsSchema,
}
