import { z } from 'zod'

/** Options that the strategies of this folder share. */
export const mutationOption = z
  .union([z.literal('auto'), z.number().min(0).max(1)])
  .default('auto')
  .describe(
    'Largest standard deviation of a child’s mutation, in shares of each gene’s range; 0: children lie between their parents. "auto": 0 where ' +
      'pieces of models are combined, 0.1 elsewhere.',
  )

export const sampleOption = z
  .union([z.literal('auto'), z.number().int().min(0)])
  .default('auto')
  .describe(
    'Space-filling candidates before the first child. "auto": none where pieces of models are combined; elsewhere a tenth of the budget, ' +
      'at least 4 and at most 50.',
  )
