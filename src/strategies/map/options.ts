import { z } from 'zod'
import { SCALARIZATIONS } from '../../scalarization.ts'
import type { StrategyDescription } from '../strategy.ts'
import { LINKS } from './links.ts'
import { MODELS } from './quadratic-basis.ts'

export const MODES = ['auto', 'plain', 'nested', 'bayesian'] as const
export type Mode = (typeof MODES)[number]

const optionsSchema = z.strictObject({
  // "auto" never takes "bayesian": on 2 and 3 tasks with known fronts it was no better than "plain" (IGD+ 0.0065, 0.0205 to 0.0060, 0.0195).
  mode: z
    .enum(MODES)
    .default('auto')
    .describe(
      'Where the trials before the first prediction lie: "plain" covers the space, "nested" merges sources pair by pair ' +
        '(many sources), "bayesian" puts most where the surrogates fit worst (few genes).',
    ),
  samples: z
    .union([z.literal('auto'), z.number().int().min(1).max(100_000)])
    .default('auto')
    .describe('Trials before the first prediction; "auto" is 1.5 per coefficient, within half the budget.'),
  model: z
    .enum(['auto', ...MODELS])
    .default('auto')
    .describe('Quadratic with all products of genes, "diagonal" without them, or the one that predicts better.'),
  link: z
    .enum(['auto', ...LINKS])
    .default('auto')
    .describe(
      'What the quadratic passes through: "sigmoid" for accuracies, "softplus" for losses, "identity", or the one that ' +
        'suits the objective and predicts best.',
    ),
  focus: z
    .number()
    .min(1)
    .max(1e6)
    .default(20)
    .describe('Weight in the fit of the best trial against the worst; 1 weighs all alike.'),
  batch: z
    .union([z.literal('auto'), z.number().int().min(1).max(10_000)])
    .default('auto')
    .describe(
      'Candidates between two fits; "auto" is the slots or a tenth of the trials so far, whichever is more (several objectives: at least 4).',
    ),
  scalarization: z
    .enum(SCALARIZATIONS)
    .default('worst')
    .describe('How several objectives become one where a single best candidate is named in the diagnostics.'),
})
export type MapOptions = z.infer<typeof optionsSchema>

export const mapDescription: StrategyDescription<MapOptions> = {
  kind: 'map',
  reference:
    'L. Li, T. Zhang, Z. Bu et al., "MAP: Low-compute Model Merging with Amortized Pareto Fronts via Quadratic Approximation", ICLR 2025, https://arxiv.org/abs/2406.07529',
  summary: 'Quadratic surrogates and their verified Pareto front: the most from few evaluations of a few real genes.',
  options: optionsSchema,
}
