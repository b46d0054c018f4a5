import { z } from 'zod'
import type { StrategyDescription } from '../strategy.ts'
import { mutationOption, sampleOption } from './options.ts'

const common = {
  archive_size: z
    .union([z.literal('auto'), z.number().int().min(2).max(1000)])
    .default('auto')
    .describe(
      'Candidates alive at once; "auto": half the square root of the budget, at least 6 and at most 20, the authors’ size. Small ones are ' +
        'faster at first and worse in the end.',
    ),
  crossover: z
    .boolean()
    .default(true)
    .describe('Whether children have two parents; otherwise they are copies that mutate.'),
  split_point: z
    .boolean()
    .default(true)
    .describe('Whether a child is mixed one way before a random point and the other way after it.'),
  mutation: mutationOption,
  initial_sample: sampleOption,
  subtract_worst: z
    .boolean()
    .default(false)
    .describe(
      'Example scores count from the worst one of the archive on: for graded scores with a floor that all share.',
    ),
}

const m2n2Options = z.strictObject({
  alpha: z
    .number()
    .min(0)
    .max(10)
    .default(1)
    .describe('How much the solvers of an example have to share it: 1 fully, 0 not at all.'),
  attraction: z
    .boolean()
    .default(true)
    .describe('Whether the second parent is chosen for what it scores where the first does not.'),
  ...common,
})
export type M2n2Options = z.infer<typeof m2n2Options>

const gaOptions = z.strictObject(common)

const reference =
  'J. Abrantes, R. Lange, Y. Tang, "Competition and Attraction Improve Model Fusion", GECCO 2025, https://arxiv.org/abs/2508.16204'

export const m2n2Description: StrategyDescription<M2n2Options> = {
  kind: 'm2n2',
  reference,
  summary:
    'Natural niches: candidates compete for examples and mate with who solves others; best with scores per example.',
  options: m2n2Options,
}

export const geneticAlgorithmDescription: StrategyDescription<z.infer<typeof gaOptions>> = {
  kind: 'ga',
  reference,
  summary: 'Plain steady-state genetic algorithm: natural niches without niches, to compare with.',
  options: gaOptions,
}
