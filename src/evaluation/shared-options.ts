import { z } from 'zod'

/** Options that the evaluators of programs and servers have in common. */

export const path = z.string().min(1).describe('A file, relative to the folder of the file that names it.')

export const name = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/, 'A name has letters, digits, "_", "." and "-" only, at most 64.')

/** What every objective of a program or a server says of itself. */
export const objectiveShape = {
  name: name.describe('Name of the objective; an answer uses it as the key.'),
  direction: z.enum(['minimize', 'maximize']).describe('Which values are better.'),
  unit: z.string().default('').describe('For reports: "accuracy, 0..1", "nats/token".'),
  reference: z.number().describe('Worst acceptable value.'),
  ideal: z.number().optional().describe('Best possible value, where there is one.'),
}

export function isWorse(reference: number, ideal: number | undefined, direction: 'minimize' | 'maximize'): boolean {
  return ideal === undefined || (direction === 'maximize' ? reference < ideal : reference > ideal)
}

const fraction = z.number().gt(0).lt(1)
export const splitRuleSchema = z
  .strictObject({
    seed: z.int().min(0).describe('The same seed gives the same split, on any machine.'),
    search: fraction,
    select: fraction,
    holdout: fraction,
  })
  .refine(rule => rule.search + rule.select + rule.holdout <= 1 + 1e-9, {
    message: 'The fractions search + select + holdout must not exceed 1.',
  })
  .optional()
  .describe('Random split of the examples that name none, with the same proportions in every stratum.')
export type SplitRule = NonNullable<z.infer<typeof splitRuleSchema>>

export const seconds = z.number().positive().max(604_800)
