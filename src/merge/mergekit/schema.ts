import { z } from 'zod'
import type { ParameterValue } from './values.ts'

/** A mergekit configuration, as its documentation describes it, and `statistics` of a model, which mergekit does not have. Unknown keys are errors: a misspelt one would change the merge silently. */

const scalar = z.union([z.number(), z.boolean(), z.string()])
const filtered = z.strictObject({
  value: z.union([scalar, z.array(scalar).min(1)]),
  filter: z.string().optional(),
})
const parameterValue: z.ZodType<ParameterValue> = z.union([scalar, z.array(scalar).min(1), z.array(filtered).min(1)])
const parameters = z.record(z.string(), parameterValue)

const statistics = z.string().min(1).optional()

const source = z.strictObject({
  model: z.string().min(1),
  statistics,
  layer_range: z.tuple([z.int().min(0), z.int().min(1)]).describe('[first, end), end excluded.'),
  parameters: parameters.optional(),
})

const slice = z.strictObject({
  sources: z.array(source).min(1),
  base_model: z.string().optional(),
  parameters: parameters.optional(),
  residual_weight: z.unknown().optional(), // mergekit parses and ignores it
})

const DTYPES = ['bfloat16', 'float16', 'float32'] as const
const dtype = z
  .string()
  .transform(name => name.replace(/^torch\./, ''))
  .pipe(z.enum(DTYPES))

export const mergekitSchema = z
  .strictObject({
    merge_method: z.string().min(1),
    models: z
      .array(z.strictObject({ model: z.string().min(1), statistics, parameters: parameters.optional() }))
      .min(1)
      .optional(),
    slices: z.array(slice).min(1).optional(),
    base_model: z.string().min(1).optional(),
    parameters: parameters.optional(),
    dtype: dtype.optional(),
    out_dtype: dtype.optional(),
    tokenizer_source: z.string().min(1).optional(),
    tokenizer: z.looseObject({ source: z.string().min(1).optional() }).optional(),
    chat_template: z.string().min(1).optional(),
    modules: z.unknown().optional(),
    name: z.string().optional(),
    metadata: z.unknown().optional(),
  })
  .superRefine((config, context) => {
    if (config.modules !== undefined) {
      context.addIssue({
        code: 'custom',
        message: 'modules are not read; "models" merges a model of several modules as a whole',
        path: ['modules'],
      })
      return
    }
    if ((config.models === undefined) === (config.slices === undefined)) {
      context.addIssue({ code: 'custom', message: 'give exactly one of "models" and "slices"' })
    }
    if (config.tokenizer_source !== undefined && config.tokenizer !== undefined) {
      context.addIssue({
        code: 'custom',
        message: 'give either "tokenizer_source" or "tokenizer", not both',
        path: ['tokenizer'],
      })
    }
    for (const [s, { sources }] of (config.slices ?? []).entries()) {
      const lengths = sources.map(({ layer_range: [first, end] }) => end - first)
      if (lengths.some(length => length < 1)) {
        context.addIssue({
          code: 'custom',
          message: 'a layer_range is [first, end) with first below end',
          path: ['slices', s],
        })
      } else if (new Set(lengths).size > 1) {
        context.addIssue({
          code: 'custom',
          message: `all sources of a slice have equally many layers, got ${lengths.join(', ')}`,
          path: ['slices', s],
        })
      }
    }
  })
export type MergekitConfig = z.infer<typeof mergekitSchema>
export type MergekitSource = z.infer<typeof source>
export type MergekitSlice = z.infer<typeof slice>
