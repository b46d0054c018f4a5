import { z } from 'zod'
import type { StrategyDescription } from '../strategy.ts'

export const MAX_POINTS = 1000
const pointsSchema = z.number().int().min(2).max(MAX_POINTS)

const optionsSchema = z.strictObject({
  points: z
    .union([z.literal('auto'), pointsSchema, z.record(z.string(), pointsSchema)])
    .default('auto')
    .describe(
      'Values per gene, both ends included: one number for all, or numbers by the name of a gene; choices are always tried all. ' +
        '"auto", also for genes without a number: as many as fit the budget.',
    ),
})
export type GridOptions = z.infer<typeof optionsSchema>

export const gridDescription: StrategyDescription<GridOptions> = {
  kind: 'grid',
  reference: 'R. A. Fisher, "The Design of Experiments", 1935 (factorial designs)',
  summary: 'Every combination of evenly spaced values, finer and finer: for a few genes, or to try all choices.',
  options: optionsSchema,
}
