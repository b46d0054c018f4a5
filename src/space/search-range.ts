import { z } from 'zod'

/** How the `genome:` section says what a number or a word may be: held at a value, searched in a range, or one of some choices. */

const rangeShape = {
  min: z.number().describe('Lowest value, inclusive.'),
  max: z.number().describe('Highest value, inclusive; above min.'),
  initial: z
    .number()
    .optional()
    .describe("Where the search starts. Default: 1 / number of models for weights, else the method's default."),
  scale: z
    .enum(['linear', 'log'])
    .optional()
    .describe('log: searched on a logarithmic axis; needs min > 0. Default: linear.'),
}

export const per = z
  .enum(['group', 'model'])
  .optional()
  .describe('group: a gene per layer group and filter. model: one gene for the whole model.')

const rangeSchema = z.strictObject(rangeShape)
export type RangeConfig = z.infer<typeof rangeSchema>
const parameterRangeSchema = z.strictObject({ ...rangeShape, per })

function checkRange(range: RangeConfig, context: z.RefinementCtx): void {
  const message = rangeProblem(range)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
}

function rangeProblem({ min, max, initial, scale }: RangeConfig): string | undefined {
  if (min >= max) return `min must be below max, got ${min} and ${max}; to hold a value, give a number`
  if (initial !== undefined && (initial < min || initial > max)) {
    return `initial must lie in [${min}, ${max}], got ${initial}`
  }
  if (scale === 'log' && min <= 0) return `a logarithmic scale needs min > 0, got ${min}`
  return undefined
}

export const range = rangeSchema.superRefine(checkRange)

/** A coefficient: a number holds it, a range searches it. */
export const coefficientSetting = z.union([z.number(), range])
export type CoefficientSetting = z.infer<typeof coefficientSetting>

const word = z.union([z.number(), z.boolean(), z.string().min(1)])
export type Value = z.infer<typeof word>

const choicesSchema = z.strictObject({
  choices: z.array(word).min(2).max(256).describe('The values to choose from.'),
  initial: word.optional().describe('Where the search starts. Default: the first.'),
  per,
})

/** A parameter of a method: a number, word, true or false holds it; a range or choices search it. */
export const parameterSetting = z.union([word, parameterRangeSchema.superRefine(checkRange), choicesSchema])
export type ParameterSetting = z.infer<typeof parameterSetting>
