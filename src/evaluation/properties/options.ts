import { z } from 'zod'
import type { Objective } from '../../objective.ts'
import { name, path } from '../shared-options.ts'

const reference = z.number().positive()
const shape = {
  name: name.optional().describe('Name of the objective. Default: the property.'),
}
const base = path.describe(
  'The model that the candidates come from, as merges take it, relative to the folder of the file that names it.',
)
const share = reference.default(1).describe('Worst acceptable value. Default: 1.')
const required = reference.describe('Worst acceptable value.')

const propertySchema = z.discriminatedUnion('property', [
  z.strictObject({
    property: z.literal('changed_parameters').describe('Share of the weights that differ from the base, 0..1.'),
    ...shape,
    base,
    reference: share.refine(value => value <= 1, { message: 'A share is at most 1.' }),
  }),
  z.strictObject({
    property: z.literal('distance').describe('L2 norm of the difference from the base, over all weights.'),
    ...shape,
    base,
    reference: required,
  }),
  z.strictObject({
    property: z.literal('relative_distance').describe('L2 norm of the difference from the base, by that of the base.'),
    ...shape,
    base,
    reference: share,
  }),
  z.strictObject({
    property: z
      .literal('expert_modules')
      .describe('Pairs of a source and a module that the recipe mixes in with a weight other than 0.'),
    ...shape,
    reference: required,
  }),
])
export type PropertyOptions = z.infer<typeof propertySchema>

/** What every kind of evaluator takes besides its own options. */
export const propertyShape = {
  properties: z
    .array(propertySchema)
    .min(1)
    .optional()
    .describe('Properties of the merged model as further objectives, to be minimised. They read no data.'),
}

const UNITS: Readonly<Record<PropertyOptions['property'], string>> = {
  changed_parameters: 'share of weights, 0..1',
  distance: 'L2 norm',
  relative_distance: 'L2 norm / that of the base',
  expert_modules: 'modules',
}

export function propertyObjective({ property, name: given, reference: worst }: PropertyOptions): Objective {
  return { name: given ?? property, direction: 'minimize', unit: UNITS[property], reference: worst, ideal: 0 }
}
