import { z } from 'zod'
import { SCALARIZATIONS } from '../../scalarization.ts'
import type { StrategyDescription } from '../strategy.ts'
import { mutationOption, sampleOption } from './options.ts'

const optionsSchema = z.strictObject({
  cells: z
    .number()
    .int()
    .min(2)
    .max(10_000)
    .default(100)
    .describe('Cells at most: a grid over one or two objectives, a Voronoi tessellation over more.'),
  parents: z
    .enum(['uniform', 'quality'])
    .default('uniform')
    .describe('How cells are drawn for parents: all alike, or in proportion to how good their elites are.'),
  split_point: z
    .boolean()
    .default(true)
    .describe('Whether a child is mixed one way before a random point and the other way after it.'),
  mutation: mutationOption,
  initial_sample: sampleOption,
  scalarization: z
    .enum(SCALARIZATIONS)
    .default('worst')
    .describe('What makes an elite: the smaller "worst" normalised objective, or the smaller "mean".'),
})
export type MapElitesOptions = z.infer<typeof optionsSchema>

export const mapElitesDescription: StrategyDescription<MapElitesOptions> = {
  kind: 'map-elites',
  reference:
    'J.-B. Mouret, J. Clune, "Illuminating search spaces by mapping elites", 2015, https://arxiv.org/abs/1504.04909',
  summary: 'MAP-Elites: the best candidate for each combination of scores on the objectives.',
  options: optionsSchema,
}
