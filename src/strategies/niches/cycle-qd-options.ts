import { z } from 'zod'
import type { StrategyDescription } from '../strategy.ts'
import { mutationOption, sampleOption } from './options.ts'

const optionsSchema = z.strictObject({
  bins: z
    .union([z.literal('auto'), z.number().int().min(2).max(100)])
    .default('auto')
    .describe('Parts of each behaviour axis; "auto": 15, or as many as keep an archive at 256 cells.'),
  parents: z
    .enum(['elite', 'uniform'])
    .default('elite')
    .describe(
      'How an archive’s cells are drawn for parents: the better at quality and behaviour the likelier, or all alike.',
    ),
  mutation: mutationOption,
  initial_sample: sampleOption,
})
export type CycleQdOptions = z.infer<typeof optionsSchema>

export const cycleQdDescription: StrategyDescription<CycleQdOptions> = {
  kind: 'cycleqd',
  reference:
    'S. Kuroki, T. Nakamura, T. Akiba, Y. Tang, "Agent Skill Acquisition for Large Language Models via CycleQD", ICLR 2025, https://arxiv.org/abs/2410.14735',
  summary: 'CycleQD: an archive of elites per objective, the objectives taking turns at being the quality.',
  options: optionsSchema,
}
