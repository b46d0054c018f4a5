import { z } from 'zod'

/**
 * Options of the `onnx` evaluator, as written in `evaluators/<id>.yaml` next to `kind` and `id`. Words are the file's own
 * (snake_case), so that what a message quotes is what the user wrote.
 */

const path = z.string().min(1).describe('A file, relative to the folder of the file that names it.')
const columnNames = z
  .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
  .describe('A column name, a pattern with "*" and "?", or a list of both. Columns of a pattern come in file order.')

/** Where the values of one graph input come from: CSV columns or an array file, times `scale`, plus `offset`. */
const inputSchema = z
  .strictObject({
    columns: columnNames.optional(),
    npy: path.optional().describe('A .npy file with one row per example, instead of columns.'),
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

const labelSchema = z
  .strictObject({
    column: z.string().min(1).optional(),
    npy: path.optional().describe('A .npy file with one class index per example.'),
  })
  .refine(label => (label.column === undefined) !== (label.npy === undefined), {
    message: 'A label comes from either "column" or "npy": give exactly one of them.',
  })

const fraction = z.number().gt(0).lt(1)
const splitSchema = z
  .strictObject({
    column: z
      .string()
      .min(1)
      .optional()
      .describe('Column with "search", "select" or "holdout"; other rows are left out.'),
    npy: path.optional().describe('A .npy file of those words, or of 0 (search), 1 (select), 2 (holdout).'),
    rule: z
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
      .describe('Random split, with the same proportions in every class.'),
  })
  .refine(split => [split.column, split.npy, split.rule].filter(way => way !== undefined).length === 1, {
    message: 'A split is given by "column", "npy" or "rule": give exactly one of them.',
  })

const name = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/, 'A name has letters, digits, "_", "." and "-" only, at most 64.')

const taskSchema = z.strictObject({
  name,
  data: path
    .optional()
    .describe('A .csv or .csv.gz file with a header row. Absent when everything comes from .npy files.'),
  inputs: z.record(z.string(), inputSchema).optional().describe('Replaces the evaluator-wide entry of a graph input.'),
  label: labelSchema,
  split: splitSchema,
})

export const METRICS = ['accuracy', 'negative_log_likelihood'] as const
export type MetricName = (typeof METRICS)[number]

const objectiveSchema = z.strictObject({
  name: name.optional().describe('Default: the task for accuracy, "<task>_nll" for negative_log_likelihood.'),
  task: z.string(),
  metric: z.enum(METRICS).describe('accuracy: maximised, 0..1. negative_log_likelihood: minimised, nats per example.'),
  reference: z
    .number()
    .optional()
    .describe(
      'Worst acceptable value. Default: 0 for accuracy, ln(classes), the score of a guess, for the likelihood.',
    ),
})

export const onnxOptionsSchema = z.strictObject({
  graph: path.describe('The .onnx file. Its weights are replaced by merged ones; names must equal the tensor names.'),
  batch_size: z
    .int()
    .min(1)
    .max(65_536)
    .default(256)
    .describe('Examples per run of the graph. The last bits of a score can depend on it.'),
  classes: z.int().min(2).optional().describe('Number of classes; only needed when the graph does not fix it.'),
  weights: z
    .enum(['auto', 'inputs', 'initializers'])
    .default('auto')
    .describe(
      'inputs: one session, weights fed to it. initializers: a session per candidate, faster where convolutions dominate. ' +
        'auto: time both on the first candidate and take initializers where it is faster and gives the same bits.',
    ),
  constants: z
    .array(z.string().min(1))
    .default([])
    .describe('Names or patterns of float initializers that belong to the graph and are not merged.'),
  ignored_tensors: z
    .array(z.string().min(1))
    .default([])
    .describe('Names or patterns of merged tensors that the graph does not use.'),
  inputs: z.record(z.string(), inputSchema).default({}).describe('Graph input → where its values come from.'),
  output: z.string().min(1).describe('The graph output that holds the logits, shape [batch, classes].'),
  tasks: z.array(taskSchema).min(1).max(64),
  objectives: z.array(objectiveSchema).min(1).max(64).optional().describe('Default: accuracy on every task.'),
})

export type OnnxOptions = z.infer<typeof onnxOptionsSchema>
export type OnnxTask = OnnxOptions['tasks'][number]
export type OnnxInput = z.infer<typeof inputSchema>
export type SplitRule = NonNullable<OnnxTask['split']['rule']>
