import { z } from 'zod'

const tokenizer = z
  .string()
  .min(1)
  .describe(
    '"bytes" (a token is a byte of the UTF-8 text), or a tokenizer.json, relative to the folder of the file that names it.',
  )

/** How a language model reads text. The evaluator's entry holds for all its tasks; a task's own entry replaces single keys. */
export const textSchema = z.strictObject({
  tokenizer: tokenizer.optional(),
  prefix_token: z
    .int()
    .min(0)
    .optional()
    .describe('Token that stands before a text that has nothing before it: the model’s BOS, or EOS where it has none.'),
  add_special_tokens: z
    .boolean()
    .optional()
    .describe('Whether the template of tokenizer.json (a BOS in front) is applied to every text. Default: false.'),
  max_length: z
    .int()
    .min(2)
    .optional()
    .describe('Tokens that the model takes at once. Needed unless the graph fixes the length of its input.'),
  vocabulary: z.int().min(2).optional().describe('Number of tokens; only needed when the graph does not fix it.'),
})
export type TextOptions = z.infer<typeof textSchema>

export function mapTextPaths(text: TextOptions | undefined, change: (path: string) => string): TextOptions | undefined {
  if (text?.tokenizer === undefined || text.tokenizer === 'bytes') return text
  return { ...text, tokenizer: change(text.tokenizer) }
}
