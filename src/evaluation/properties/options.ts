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
  z.strictObject({
    property: z
      .literal('bytes')
      .describe('Bytes of the weights as they would be written; with "base", of the tensors that differ from it.'),
    ...shape,
    base: base.optional(),
    dtype: z
      .enum(['float32', 'bfloat16', 'float16'])
      .optional()
      .describe('Type that the weights would be written as. Default: that of the sources.'),
    reference: required,
  }),
  z.strictObject({
    property: z
      .literal('latency')
      .describe('Milliseconds of inference per example, or per token, a median. Measured: never twice the same.'),
    ...shape,
    examples: z.int().min(1).max(100_000).default(8).describe('How many examples are timed.'),
    repeats: z.int().min(1).max(1000).default(5).describe('How often; the median counts.'),
    per: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Name of an objective whose scores are counts, as "tokens" of a generation: milliseconds per unit of it. Default: per example.',
      ),
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
  bytes: 'bytes',
  latency: 'ms/example',
}

/** The model that a property compares with, if any. */
export function baseOf(options: PropertyOptions): string | undefined {
  return 'base' in options ? options.base : undefined
}

export function propertyObjective(options: PropertyOptions): Objective {
  const { property, name: given, reference: worst } = options
  const isMeasured = property === 'latency'
  const unit = isMeasured && options.per !== undefined ? `ms/unit of ${options.per}` : UNITS[property]
  return {
    name: given ?? property,
    direction: 'minimize',
    unit,
    reference: worst,
    ideal: 0,
    ...(isMeasured ? { isMeasured } : { isExact: true }),
  }
}
