import { z } from 'zod'
import { imageSchema } from '../data/images.ts'

/** Keys that several kinds of tasks have. Words are the file's own (snake_case), so that messages quote what the user wrote. */

export const pathSchema = z.string().min(1).describe('A file, relative to the folder of the file that names it.')

export const nameSchema = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/, 'A name has letters, digits, "_", "." and "-" only, at most 64.')

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
export type SplitRule = z.infer<typeof splitRuleSchema>

export const splitColumnSchema = z
  .string()
  .min(1)
  .describe('Column with "search", "select" or "holdout"; other records are left out.')

/** The split of records: by a column or by a rule. */
export const splitSchema = z
  .strictObject({
    column: splitColumnSchema.optional(),
    rule: splitRuleSchema.optional().describe('Random split, with the same proportions in every stratum.'),
  })
  .refine(split => (split.column === undefined) !== (split.rule === undefined), {
    message: 'A split is given by "column" or "rule": give exactly one of them.',
  })
export type SplitOption = z.infer<typeof splitSchema>

export const stratifySchema = z
  .string()
  .min(1)
  .optional()
  .describe(
    'Column that names the group of an example. Splits, and the first examples of each, have every group’s share.',
  )

/** What a task may have instead of the evaluator's: its own head on the merged model. */
export const headShape = {
  graph: pathSchema
    .optional()
    .describe('The .onnx file of this task, where its head differs in shape. Default: the evaluator’s "graph".'),
  head: pathSchema
    .optional()
    .describe('Model that the tensors of "heads" are taken from, unmerged. Default: what the task’s graph holds.'),
}

export function mapHeadPaths(
  { graph, head }: { readonly graph?: string | undefined; readonly head?: string | undefined },
  change: (path: string) => string,
): { readonly graph?: string; readonly head?: string } {
  return { ...(graph !== undefined && { graph: change(graph) }), ...(head !== undefined && { head: change(head) }) }
}

export const outputSchema = z.string().min(1).describe('The graph output to read; default: the evaluator’s "output".')

const columnNames = z
  .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
  .describe('A column name, a pattern with "*" and "?", or a list of both. Columns of a pattern come in file order.')

/** Where the values of one graph input come from: columns or an array file, times `scale`, plus `offset`. */
export const inputSchema = z
  .strictObject({
    columns: columnNames.optional(),
    npy: pathSchema.optional().describe('A .npy file with one row per example, instead of columns.'),
    image: imageSchema
      .optional()
      .describe('The column holds images: paths relative to the data file, or their bytes. How they become numbers.'),
    scale: z.number().default(1).describe('Each value is multiplied by this; computed in float64, then rounded once.'),
    offset: z.number().default(0).describe('Added after scaling.'),
    shape: z
      .array(z.int().min(1))
      .optional()
      .describe(
        'Shape of one example, without the batch dimension. Default: one number per column, or as in the array.',
      ),
  })
  .refine(input => (input.columns === undefined) !== (input.npy === undefined), {
    message: 'An input takes its values from either "columns" or "npy": give exactly one of them.',
  })
  .refine(({ image, columns }) => image === undefined || typeof columns === 'string', {
    message: 'Images come from one column: name it under "columns".',
  })
export type OnnxInput = z.infer<typeof inputSchema>

/** Where numbers to predict come from. */
export const targetSchema = z
  .strictObject({
    columns: columnNames.optional(),
    npy: pathSchema.optional().describe('A .npy file with one row per example.'),
  })
  .refine(target => (target.columns === undefined) !== (target.npy === undefined), {
    message: 'It comes from either "columns" or "npy": give exactly one of them.',
  })

/** Where masks come from: one column of arrays or of images, or an array file. */
export const maskSchema = z
  .strictObject({
    column: z.string().min(1).optional().describe('Column with an array or an image per record.'),
    resize: z
      .tuple([z.int().min(1).max(16_384), z.int().min(1).max(16_384)])
      .optional()
      .describe('[height, width] that mask images are brought to, without mixing values.'),
    npy: pathSchema.optional().describe('A .npy file with one array per example.'),
  })
  .refine(mask => (mask.column === undefined) !== (mask.npy === undefined), {
    message: 'Masks come from either "column" or "npy": give exactly one of them.',
  })
