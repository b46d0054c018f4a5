import { z } from 'zod'
import { textSchema } from './language/text-options.ts'
import { inputSchema, nameSchema, pathSchema } from './options-shared.ts'
import { TASK_SCHEMAS } from './tasks/registry.ts'
import { MAX_THREADS } from './threads.ts'

/**
 * Options of the `onnx` evaluator, as written in `evaluators/<id>.yaml` next to `kind` and `id`. Words are the file's own
 * (snake_case), so that what a message quotes is what the user wrote.
 */

const objectiveSchema = z.strictObject({
  name: nameSchema
    .optional()
    .describe('Default: the task where the metric is the task’s first, "<task>_nll" or "<task>_<metric>" else.'),
  task: z.string(),
  metric: z.string().min(1).describe('A metric of the task’s kind: docs/evaluators.md lists them.'),
  k: z.int().min(1).optional().describe('Of top_k_accuracy and recall_at_k: how many count.'),
  class: z.int().min(0).optional().describe('Of metrics per class: the class.'),
  reference: z.number().optional().describe('Worst acceptable value. Default: nothing right, or what a guess scores.'),
})

export const onnxOptionsSchema = z.strictObject({
  graph: pathSchema.describe(
    'The .onnx file. Its weights are replaced by merged ones; names must equal the tensor names, or see exported_from.',
  ),
  exported_from: pathSchema
    .optional()
    .describe(
      'The model with whose weights the graph was exported, where the graph names or orients them otherwise than the models: it tells which are the same.',
    ),
  batch_size: z
    .int()
    .min(1)
    .max(65_536)
    .default(256)
    .describe('Examples per run of the graph. Language models run fewer where their logits would fill the memory.'),
  classes: z.int().min(2).optional().describe('Number of classes; only needed when the graph does not fix it.'),
  weights: z
    .enum(['auto', 'inputs', 'initializers'])
    .default('auto')
    .describe(
      'inputs: one session, weights fed to it. initializers: a session per candidate, faster where convolutions dominate. ' +
        'auto: time both on the first candidate and take initializers where it is faster and gives the same bits.',
    ),
  threads: z
    .union([z.literal('auto'), z.int().min(1).max(MAX_THREADS)])
    .default('auto')
    .describe(
      'Threads inside a session, of which every worker has one. auto: 1, unless there are fewer workers than cores; then time 1 and ' +
        'cores ÷ workers on the first candidate and take more only where they are faster and give the same bits.',
    ),
  constants: z
    .array(z.string().min(1))
    .default([])
    .describe('Names or patterns of float initializers that belong to the graph and are not merged.'),
  ignored_tensors: z
    .array(z.string().min(1))
    .default([])
    .describe('Names or patterns of merged tensors that the graph does not use.'),
  heads: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      'Names or patterns of tensors that are not merged: every task has its own, from its "head" or its "graph". The models may differ in their shapes.',
    ),
  inputs: z.record(z.string(), inputSchema).default({}).describe('Graph input → where its values come from.'),
  output: z
    .string()
    .min(1)
    .default('logits')
    .describe(
      'The graph output to read: logits, shape [batch, classes], or [batch, length, vocabulary] of a language model.',
    ),
  text: textSchema.optional().describe('How language models read text, for all tasks.'),
  tasks: z.array(z.discriminatedUnion('kind', TASK_SCHEMAS)).min(1).max(64),
  objectives: z.array(objectiveSchema).min(1).max(64).optional().describe('Default: the first metric of every task.'),
})

export type OnnxOptions = z.infer<typeof onnxOptionsSchema>
