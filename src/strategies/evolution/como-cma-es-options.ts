import { z } from 'zod'
import type { StrategyDescription } from '../strategy.ts'

const optionsSchema = z.strictObject({
  kernels: z
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(4)
    .describe('Distributions that search at a time, each for a point of the front of its own.'),
  sigma0: z
    .number()
    .positive()
    .max(1)
    .default(0.2)
    .describe('Initial step size: standard deviation of every gene, as a share of its range.'),
  population_size: z
    .union([z.literal('auto'), z.number().int().min(4).max(10_000)])
    .default('auto')
    .describe('Offspring of a kernel per turn; "auto" is 4 + floor(3 ln d) for d genes.'),
  tolx: z
    .number()
    .positive()
    .max(0.1)
    .default(1e-4)
    .describe(
      'A kernel rests, and a new one starts, when all its steps are smaller than this share of a gene’s range.',
    ),
  tolf: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe(
      'With two objectives a kernel rests, too, when the offspring that adds least hypervolume adds less than this share less than the best.',
    ),
})
export type ComoCmaEsOptions = z.infer<typeof optionsSchema>

export const comoCmaEsDescription: StrategyDescription<ComoCmaEsOptions> = {
  kind: 'como-cma-es',
  reference:
    'C. Touré, N. Hansen, A. Auger, D. Brockhoff, "Uncrowded hypervolume improvement: COMO-CMA-ES and the Sofomore framework", GECCO 2019',
  summary: 'Several CMA-ES that share a front: two objectives, real genes, thousands of evaluations, high accuracy.',
  options: optionsSchema,
}
