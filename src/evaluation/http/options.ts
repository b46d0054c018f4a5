import { z } from 'zod'
import { folderOptions } from '../candidate-folders.ts'
import { isWorse, objectiveShape, path, seconds, splitRuleSchema } from '../shared-options.ts'

/** Options of the `http` evaluator, as written in `evaluators/<id>.yaml` next to `kind` and `id`. */

const url = z.string().regex(/^https?:\/\/[^\s]+$/, 'Expected an address that begins with http:// or https://.')

const environmentName = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_]*$/,
    'Expected the name of an environment variable: the key itself must not stand in a file.',
  )
  .optional()
  .describe('Environment variable that holds the API key. The key is never written down.')

/** Where completions come from, and how they are asked for. */
const serverShape = {
  endpoint: url.describe(
    'Address of the server up to /v1, for instance http://127.0.0.1:8000/v1. {worker} is the number of the worker.',
  ),
  api: z.enum(['chat', 'completions']).default('chat').describe('chat: /chat/completions. completions: /completions.'),
  model: z
    .string()
    .min(1)
    .default('{model}')
    .describe("Name of the model in a request; {model} is the candidate's folder."),
  api_key_env: environmentName,
}

const generationShape = {
  max_tokens: z.int().min(1).max(1_000_000).default(256).describe('Most tokens of an answer.'),
  temperature: z.number().min(0).max(2).default(0).describe('0: the most likely token each time.'),
  top_p: z.number().gt(0).max(1).optional().describe('Nucleus sampling.'),
  stop: z.array(z.string().min(1)).max(16).default([]).describe('Texts at which an answer ends.'),
  seed: z.int().default(0).describe('Sent with every request, for servers that sample.'),
}

const template = z.string().min(1).describe('Text with {fields} of the example: "Question: {question}\\nAnswer:".')

const ruleSchema = z.discriminatedUnion('rule', [
  z.strictObject({
    rule: z.literal('exact').describe('The answer is one of the expected texts.'),
    ignore_case: z.boolean().default(false),
    ignore_punctuation: z.boolean().default(false),
  }),
  z.strictObject({
    rule: z.literal('contains').describe('The answer contains one of the expected texts.'),
    ignore_case: z.boolean().default(false),
  }),
  z.strictObject({
    rule: z.literal('numeric').describe('The last number of the answer is the expected one.'),
    absolute: z.number().min(0).default(1e-6).describe('Greatest difference.'),
    relative: z.number().min(0).default(0).describe('Greatest difference, as a fraction of the expected number.'),
  }),
  z.strictObject({
    rule: z
      .literal('regex')
      .describe('The first group of a regular expression (or the whole match) is the expected text.'),
    pattern: z.string().min(1).max(1000),
    ignore_case: z.boolean().default(false),
  }),
  z.strictObject({
    rule: z.literal('choice').describe('The answer names the letter of the right choice.'),
  }),
  z.strictObject({
    rule: z
      .literal('choice_likelihood')
      .describe('The right choice is the most likely one after the prompt; needs /completions with echo and logprobs.'),
    delimiter: z.string().default(' ').describe('Between prompt and choice.'),
    normalize: z.boolean().default(false).describe('true: log-likelihood per character.'),
  }),
  z.strictObject({
    rule: z.literal('judge').describe('Another model says how good the answer is.'),
    ...serverShape,
    model: z.string().min(1).describe('Name of the judge.'),
    prompt: template.describe('What the judge reads: {fields} of the example, {answer_given} and {expected}.'),
    scale: z
      .tuple([z.number(), z.number()])
      .default([0, 10])
      .describe('Lowest and highest mark; scores are 0..1 of it.'),
    max_tokens: z.int().min(1).max(100_000).default(16),
  }),
])

const objectiveSchema = z
  .strictObject({
    ...objectiveShape,
    direction: objectiveShape.direction.default('maximize'),
    reference: objectiveShape.reference.default(0),
    ideal: z.number().default(1).describe('Best possible value.'),
    unit: z.string().default('share of examples, 0..1').describe('For reports.'),
    score: ruleSchema.describe('How an answer is scored; every score is in 0..1.'),
  })
  .refine(({ reference, ideal, direction }) => isWorse(reference, ideal, direction), {
    message: 'The reference must be worse than the ideal.',
  })

const requestHook = z.strictObject({
  url: url.describe('Where the server takes a new model. Same placeholders as in a body.'),
  method: z.enum(['POST', 'PUT']).default('POST'),
  body: z.json().optional().describe('Sent as JSON; texts may hold {model}, {worker}.'),
})

const hookSchema = z
  .strictObject({
    command: z
      .array(z.string())
      .min(1)
      .optional()
      .describe('A program that makes the server serve {model}, and its arguments.'),
    request: requestHook.optional().describe('A request that makes it do so.'),
    ready: url.optional().describe('Asked again and again until it answers with a status below 300.'),
    timeout: seconds.default(300).describe('Seconds until the candidate must be served.'),
    pass_env: z.array(z.string().min(1)).default([]).describe('Environment variables that the program gets.'),
  })
  .refine(({ command, request }) => (command === undefined) !== (request === undefined), {
    message: 'A hook is either a "command" or a "request": give exactly one of them.',
  })

export const httpOptionsSchema = z.strictObject({
  ...serverShape,
  load: hookSchema
    .optional()
    .describe('How the server gets a candidate. Without it, requests name the folder as their model.'),
  unload: hookSchema.optional().describe('What is done when a candidate has been scored.'),
  examples: path.describe(
    'JSONL with id, split, the fields of the prompt, "answer" (a text, a number, or a list of those), "choices".',
  ),
  split_rule: splitRuleSchema,
  prompt: template,
  system: z.string().min(1).optional().describe('The system message of a chat.'),
  ...generationShape,
  objectives: z.array(objectiveSchema).min(1).max(64).describe('Scores of the answers.'),
  concurrency: z.int().min(1).max(1024).default(8).describe('Requests at a time.'),
  retries: z.int().min(0).max(20).default(5).describe('How often a request is repeated after a failure that may pass.'),
  backoff: z
    .number()
    .positive()
    .max(600)
    .default(0.5)
    .describe('Seconds before the first repetition; each next waits twice as long.'),
  max_backoff: z
    .number()
    .positive()
    .max(3600)
    .default(30)
    .describe('Most seconds between two tries, also where the server asks for more.'),
  connect_timeout: seconds.default(10).describe('Seconds until a connection stands.'),
  timeout: seconds.default(120).describe('Seconds a request may take, from start to last byte.'),
  max_response: z
    .int()
    .min(1024)
    .max(2 ** 30)
    .default(4 << 20)
    .describe('Bytes a response may have.'),
  cwd: z
    .string()
    .min(1)
    .default('.')
    .describe('Folder that programs of hooks run in, relative to the folder of the file that names it.'),
  insecure: z.boolean().default(false).describe('true: an API key may travel over http to another machine.'),
  ...folderOptions,
  model_files: z
    .boolean()
    .default(true)
    .describe('false: no candidate is written; the server knows it by other means.'),
})

export type HttpOptions = z.infer<typeof httpOptionsSchema>
export type HttpObjective = HttpOptions['objectives'][number]
export type Rule = HttpObjective['score']
export type JudgeRule = Extract<Rule, { rule: 'judge' }>
export type Hook = NonNullable<HttpOptions['load']>
