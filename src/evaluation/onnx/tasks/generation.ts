import { z } from 'zod'
import { ConfigError } from '../../../errors.ts'
import { textsOf } from '../../data/template.ts'
import { cutAtStop, normalised, normaliseSchema, readExpected } from '../language/answers.ts'
import { generate } from '../language/generate.ts'
import { encodeText, type LanguageGraph } from '../language/language-graph.ts'
import { mapTextTaskPaths, openTextTask, textTaskShape } from '../language/text-task.ts'
import { perSplit } from '../members.ts'
import { pickMetric, scoresOf } from '../metric.ts'
import type { MetricSpec, TaskDefinition, TaskMetric } from './task.ts'

/**
 * Prompts that a causal language model continues with its most likely tokens (greedy decoding), and the texts that count as right: what
 * lm-evaluation-harness calls `generate_until` with `exact_match`.
 */
const stop = z.string().min(1)
const token = z.int().min(0)
const schema = z.strictObject({
  kind: z
    .literal('generation')
    .describe('Prompts that a language model continues, and the answers that count as right.'),
  ...textTaskShape,
  prompt: z.string().min(1).describe('A column, or a template in which {{column}} stands for a cell.'),
  answer: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(64)])
    .describe(
      'Column with the right answer, or with a list of answers any of which is right; a template; or a list of columns and templates.',
    ),
  max_new_tokens: z.int().min(1).max(4096).default(32).describe('At most this many tokens are generated.'),
  stop: z
    .union([stop, z.array(stop).max(64)])
    .default([])
    .describe('Texts that end the answer. They are no part of it.'),
  end_token: z
    .union([token, z.array(token).max(64)])
    .default([])
    .describe('Ids of tokens that end the answer: the model’s EOS.'),
  normalise: normaliseSchema.describe('What does not count when an answer is compared.'),
})

/** Facts of a prompt, in this order; NaN where a logit was. */
const FACT = { isRight: 0, tokens: 1 } as const
const WIDTH = 2

export const generationTask: TaskDefinition<typeof schema> = {
  kind: 'generation',
  options: schema,
  mapPaths: mapTextTaskPaths,
  plan: async (options, context) => {
    const { where } = context
    const { graph, records, members, counts } = await openTextTask(options, context)
    const { max_new_tokens: most, normalise } = options
    const stops = [options.stop].flat()
    const ends = new Set([options.end_token].flat())
    requireTokens(ends, graph, where)
    if (most >= graph.maxLength)
      throw new ConfigError(
        `${where}: max_new_tokens is ${most}, and the model takes ${graph.maxLength} tokens: none is left for the prompt.`,
      )
    const prompts = textsOf(records, options.prompt).map((text, record) => {
      const tokens = encodeText(graph, text, records.where(record)).slice(most - graph.maxLength)
      return tokens.length === 0 ? [graph.prefixToken] : tokens
    })
    const expected = readExpected(records, options.answer).map(
      texts => new Set(texts.map(text => normalised(text, normalise))),
    )
    const examples = perSplit(split =>
      Array.from(members[split], record => ({ prompt: prompts[record]!, expected: expected[record]! })),
    )
    const decode = (generated: readonly number[]): string =>
      graph.tokenizer.decode(generated.filter(id => !ends.has(id)))
    const isComplete = (generated: readonly number[]): boolean => {
      if (generated.length === most || ends.has(generated.at(-1)!)) return true
      if (stops.length === 0) return false
      const text = decode(generated)
      return stops.some(one => text.includes(one))
    }
    const metrics = generationMetrics(most)
    return {
      name: options.name,
      counts,
      defaultMetric: 'exact_match',
      metric: spec => pickMetric(metrics, spec, where),
      measure: async (runner, split, wanted) => {
        const own = Array.from(wanted, example => examples[split][example]!)
        const sequences = await generate(
          runner,
          graph,
          own.map(({ prompt }) => prompt),
          graph.maxLength,
          isComplete,
        )
        const values = new Float64Array(own.length * WIDTH)
        sequences.forEach(({ tokens, prompt, isBroken }, i) => {
          const answer = normalised(cutAtStop(decode(tokens.slice(prompt)), stops), normalise)
          values[i * WIDTH + FACT.isRight] = isBroken ? Number.NaN : Number(own[i]!.expected.has(answer))
          values[i * WIDTH + FACT.tokens] = isBroken ? Number.NaN : tokens.length - prompt
        })
        return { examples: wanted, width: WIDTH, values }
      },
    }
  },
}

function requireTokens(ids: ReadonlySet<number>, { vocabulary }: LanguageGraph, where: string): void {
  for (const id of ids)
    if (id >= vocabulary)
      throw new ConfigError(`${where}: end_token is ${id}; the graph knows the tokens 0 to ${vocabulary - 1}.`)
}

function generationMetrics(most: number): Readonly<Record<string, (spec: MetricSpec) => TaskMetric>> {
  return {
    exact_match: () => ({
      direction: 'maximize',
      unit: 'share of answers that are right, 0..1',
      reference: 0,
      ideal: 1,
      perExample: { low: 0, high: 1 },
      scores: facts => scoresOf(facts, at => facts.values[at + FACT.isRight]!),
    }),
    tokens: () => ({
      direction: 'minimize',
      unit: 'tokens/answer, the one that ends it included',
      reference: most,
      ideal: 0,
      perExample: { low: 0, high: most },
      scores: facts => scoresOf(facts, at => facts.values[at + FACT.tokens]!),
    }),
  }
}
