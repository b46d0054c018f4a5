import { z } from 'zod'
import { SCALARIZATIONS } from '../../scalarization.ts'
import type { StrategyDescription } from '../strategy.ts'
import { RESTARTS } from './cma-es-restarts.ts'
import { SAMPLINGS } from './orthogonal-sampling.ts'

/**
 * In which form the covariance is learned. `full`: n (n + 1) / 2 entries, O(n²) a sample; `separable`: the diagonal; `lm-ma`: a product of
 * O(log n) rank-one changes, rotation invariant. `auto`: full up to 500 coordinates; beyond, separable for the first run, because
 * merge weights act nearly independently and n entries are learned soonest, and lm-ma after a restart, for when they do not.
 */
export const COVARIANCES = ['auto', 'full', 'separable', 'lm-ma'] as const
export type Covariance = (typeof COVARIANCES)[number]

/**
 * How points of the search distribution become values of real genes.
 * - `transform`: folded smoothly into the bounds (`bound-transform.ts`);
 * - `penalty`: moved to the nearest bound, with a penalty on the loss (`bound-penalty.ts`).
 */
export const BOUNDARIES = ['transform', 'penalty'] as const
export type Boundary = (typeof BOUNDARIES)[number]

const optionsSchema = z.strictObject({
  // On quadratics with a condition number of 100 and d = 4, 12, 36, started from the middle, after 300 evaluations: where the optimum lies
  // within a quarter of the range, 0.15 is ahead of 0.3 by 0.3 to 0.4 decades for d = 12 and 36, near the bounds they differ by at most 0.3.
  // On an accuracy in steps of 1/50, d = 8, it gets every example right within 600 evaluations for 15 seeds of 15, 0.2 for 4.
  sigma0: z
    .number()
    .positive()
    .max(1)
    .default(0.15)
    .describe('Initial step size: standard deviation of every gene, as a share of its range.'),
  population_size: z
    .union([z.literal('auto'), z.number().int().min(4).max(100_000)])
    .default('auto')
    .describe('Candidates per generation; "auto" is 4 + floor(3 ln d) for d genes.'),
  covariance: z
    .enum(COVARIANCES)
    .default('auto')
    .describe(
      'What is learned of the genes’ dependence: "full", "separable" (none, but fast), or "lm-ma" (the strongest directions, for ' +
        'thousands of genes); "auto" is full up to 500 numeric genes, then separable, and lm-ma after a restart.',
    ),
  active: z
    .boolean()
    .default(true)
    .describe('Also learn from the worse half of a generation, by negative covariance weights.'),
  sampling: z
    .enum(SAMPLINGS)
    .default('orthogonal')
    .describe(
      'How a generation is drawn: in "orthogonal" directions (fewer evaluations), or each candidate "independent".',
    ),
  // Folding bends the landscape near a bound, which ill-conditioned functions notice: on BBOB, d = 5, the penalty gains 0.01 to 0.06 of the
  // area under the runtime profile on f5, f8, f10, f11 and f12; on the multimodal functions it gains about as often as it loses.
  boundary: z
    .enum(BOUNDARIES)
    .default('penalty')
    .describe(
      'How real genes stay in range: "penalty" moves samples to the bound and adds to their loss, "transform" folds them back smoothly.',
    ),
  // Off unless asked for: within 10,000 evaluations (d = 10; sphere with noise, Rastrigin with and without, accuracies of 200 examples, fresh
  // or the same each time) it was never ahead by more than 5 % and on Rastrigin far behind restarts with larger populations.
  learning_rate_adaptation: z
    .boolean()
    .default(false)
    .describe(
      'Shorten steps where noise or many local optima make them contradict each other: for long runs under heavy noise.',
    ),
  restarts: z
    .enum(RESTARTS)
    .default('bipop')
    .describe(
      'When a run has converged: "ipop" starts again with twice the population, "bipop" alternates that with small ' +
        'local runs, "none" ends the search.',
    ),
  scalarization: z
    .enum(SCALARIZATIONS)
    .default('worst')
    .describe('How several objectives become one: "worst" normalised objective, or their "mean".'),
  ftarget: z
    .number()
    .nullable()
    .default(null)
    .describe('The search ends when the only objective is this good; null: never.'),
  tolx: z
    .number()
    .nonnegative()
    .default(1e-11)
    .describe('A run ends when every step is smaller than this share of a gene’s range.'),
  tolfun: z
    .number()
    .nonnegative()
    .default(1e-11)
    .describe('A run ends when its generation and its recent best losses lie within this range.'),
  tolfunhist: z
    .number()
    .nonnegative()
    .default(1e-12)
    .describe('A run ends when its recent best losses lie within this range.'),
  tolflatfitness: z
    .number()
    .int()
    .positive()
    .default(10)
    .describe('A run ends after this many generations in a row whose better three quarters score the same.'),
})
export type CmaEsOptions = z.infer<typeof optionsSchema>

export const cmaEsDescription: StrategyDescription<CmaEsOptions> = {
  kind: 'cma-es',
  reference:
    'N. Hansen, "The CMA Evolution Strategy: A Tutorial", 2016, https://arxiv.org/abs/1604.00772; restarts: N. Hansen, GECCO 2009 ' +
    'workshop; integer and categorical genes: R. Hamano et al., "CatCMA with Margin", GECCO 2025, https://arxiv.org/abs/2504.07884',
  summary:
    'Covariance matrix adaptation, for hundreds of evaluations and more; integer and categorical genes by CatCMA with margin.',
  options: optionsSchema,
}
