import { z } from 'zod'
import { folderOptions } from '../candidate-folders.ts'
import { SPLITS, type Split } from '../evaluator.ts'
import { isWorse, objectiveShape, path, seconds, splitRuleSchema } from '../shared-options.ts'

/** Options of the `command` evaluator, as written in `evaluators/<id>.yaml` next to `kind` and `id`. */

const objectiveSchema = z
  .strictObject({
    ...objectiveShape,
    value: z
      .enum(['mean', 'program'])
      .default('mean')
      .describe(
        'mean: the mean of its example scores where an answer has them. program: always the number that the program says.',
      ),
    range: z
      .tuple([z.number(), z.number()])
      .optional()
      .describe('Lowest and highest score that an example can have; one outside is a failure of the candidate.'),
    task: z.string().min(1).optional().describe('With "answer: lm-eval": the task. May hold placeholders.'),
    metric: z
      .string()
      .min(1)
      .optional()
      .describe('With "answer: lm-eval": the metric, such as acc or word_perplexity.'),
  })
  .refine(({ range }) => range === undefined || range[0] < range[1], {
    message: 'A range is two numbers, the lower one first.',
  })
  .refine(({ reference, ideal, direction }) => isWorse(reference, ideal, direction), {
    message: 'The reference must be worse than the ideal.',
  })

const perSplit = z.strictObject({ search: z.string(), select: z.string(), holdout: z.string() })

export const commandOptionsSchema = z
  .strictObject({
    command: z
      .union([z.array(z.string()).min(1), z.string().min(1)])
      .describe(
        'The program and its arguments, a list; with "shell: true" one line for the shell. Placeholders: {model} {split} {seed} ' +
          '{out} {request} {samples} {worker}, and those of "variables".',
      ),
    shell: z
      .boolean()
      .default(false)
      .describe('true: the command is one line that a shell reads. Off unless asked for.'),
    mode: z
      .enum(['once', 'warm'])
      .default('once')
      .describe(
        'once: started for every candidate. warm: started once, then asked over its standard input, line by line.',
      ),
    cwd: z
      .string()
      .min(1)
      .default('.')
      .describe('Folder it runs in, relative to the folder of the file that names it.'),
    env: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'Expected a name of letters, digits and "_".'), z.string())
      .default({})
      .describe('Environment variables to set. They are recorded with a run: no secrets here.'),
    pass_env: z
      .array(z.string().min(1))
      .default([])
      .describe(
        'Names of environment variables to pass on, besides the few that every program gets. Values are not recorded.',
      ),
    variables: z
      .record(
        z.string().regex(/^[a-z][a-z0-9_]*$/, 'Expected a name of lower-case letters, digits and "_".'),
        z.union([z.string(), perSplit]),
      )
      .default({})
      .describe('Placeholders of your own: a text, or one for each split.'),
    result: z
      .enum(['stdout', 'file'])
      .default('stdout')
      .describe('once: where the answer is: the last line it prints, or the file {out}.'),
    answer: z
      .enum(['amalgam', 'lm-eval'])
      .default('amalgam')
      .describe('once: what the answer looks like. lm-eval: {out} is a folder that lm-evaluation-harness writes.'),
    partial_arguments: z
      .array(z.string())
      .default([])
      .describe('once: arguments that are added when only some examples are to be scored.'),
    seed: z.int().default(0).describe('Handed to the program, always the same.'),
    timeout: seconds
      .default(300)
      .describe(
        'Seconds an answer may take; then the program and all it started is killed. Keep it below evaluation.timeout.',
      ),
    start_timeout: seconds.default(300).describe('warm: seconds until it says that it is ready.'),
    max_output: z
      .int()
      .min(1024)
      .max(2 ** 31 - 1)
      .default(64 << 20)
      .describe('Bytes an answer may have; more is a failure of the candidate.'),
    ...folderOptions,
    model_files: z
      .boolean()
      .default(true)
      .describe('false: no candidate is written; for programs that measure something else.'),
    examples: z
      .union([
        path,
        z.strictObject(Object.fromEntries(SPLITS.map(split => [split, z.int().min(0)])) as Record<Split, z.ZodInt>),
      ])
      .optional()
      .describe(
        'Whose examples: a JSONL file with id, split and stratum of each, so that Amalgam decides which are scored and in what order; ' +
          'or how many the program has in each split. A warm program may say it itself.',
      ),
    split_rule: splitRuleSchema,
    inputs: z
      .array(path)
      .default([])
      .describe('Further files that decide a score: a change of one makes it another evaluator.'),
    objectives: z.array(objectiveSchema).min(1).max(64).describe('What an answer tells.'),
  })
  .refine(({ command, shell }) => (typeof command === 'string') === shell, {
    path: ['command'],
    message: 'Without "shell: true" a command is a list, [program, argument, ...]; with it, one line of text.',
  })
  .refine(({ answer, objectives }) => answer !== 'lm-eval' || objectives.every(({ task, metric }) => task && metric), {
    path: ['objectives'],
    message: 'With "answer: lm-eval" every objective needs a task and a metric.',
  })
  .refine(({ answer, mode }) => answer !== 'lm-eval' || mode === 'once', {
    path: ['answer'],
    message: '"answer: lm-eval" goes with "mode: once"; a warm program answers line by line.',
  })

export type CommandOptions = z.infer<typeof commandOptionsSchema>
export type CommandObjective = CommandOptions['objectives'][number]
