import { z } from 'zod'
import { FormatError, show } from '../../../errors.ts'
import { columnOf } from '../../data/records.ts'
import { SPLITS, type Split } from '../../evaluator.ts'
import { encodeText } from '../language/language-graph.ts'
import { exampleRows, mapTextTaskPaths, openTextTask, rowsOfExamples, textTaskShape } from '../language/text-task.ts'
import { ROW_FACTS, scoreTokenRows } from '../language/token-rows.ts'
import { rollingWindows } from '../language/windows.ts'
import { perSplit } from '../members.ts'
import { mean, pickMetric, scoresOf } from '../metric.ts'
import type { Facts, MetricSpec, PlannedTask, TaskDefinition, TaskMetric } from './task.ts'

/**
 * How well a causal language model predicts texts: an example is a text, every token of it is predicted once (`rollingWindows`). What
 * lm-evaluation-harness calls `loglikelihood_rolling`.
 */
const schema = z.strictObject({
  kind: z.literal('language_model').describe('How well a causal language model predicts texts.'),
  ...textTaskShape,
  column: z.string().min(1).default('text').describe('Column that holds the text.'),
})

/** Facts of a text, in this order. Likelihoods in nats. */
const FACT = { negativeLogLikelihood: 0, hits: 1, entropy: 2 } as const
const WIDTH = 3

/** What is known of the texts of a split without any model. */
interface Sizes {
  readonly tokens: Float64Array
  readonly bytes: Float64Array
  readonly words: Float64Array
}

export const languageModelTask: TaskDefinition<typeof schema> = {
  kind: 'language_model',
  options: schema,
  mapPaths: mapTextTaskPaths,
  plan: async (options, context) => {
    const { where } = context
    const { graph, records, members, counts } = await openTextTask(options, context)
    const texts = columnOf(records, options.column).map((cell, record) => {
      if (typeof cell === 'string' && cell !== '') return cell
      throw new FormatError(
        `${records.where(record)}, ${show(options.column)}: a text is required, found ${show(cell)}.`,
      )
    })
    const tokens = new Map<number, readonly number[]>()
    const rows = exampleRows(members, record => {
      tokens.set(record, encodeText(graph, texts[record]!, records.where(record)))
      return rollingWindows(tokens.get(record)!, graph.prefixToken, graph.maxLength)
    })
    const sizes = perSplit(
      (split): Sizes => ({
        tokens: Float64Array.from(members[split], record => tokens.get(record)!.length),
        bytes: Float64Array.from(members[split], record => Buffer.byteLength(texts[record]!, 'utf8')),
        words: Float64Array.from(members[split], record => wordCount(texts[record]!)),
      }),
    )

    const measure: PlannedTask['measure'] = async (runner, split, examples) => {
      const { rows: own, starts } = rows[split]
      const scored = await scoreTokenRows(runner, graph, own, rowsOfExamples(rows[split], examples))
      const values = new Float64Array(examples.length * WIDTH)
      let at = 0
      examples.forEach((example, i) => {
        for (let row = starts[example]!; row < starts[example + 1]!; row++, at += WIDTH) {
          values[i * WIDTH + FACT.negativeLogLikelihood]! -= scored[at + ROW_FACTS.logLikelihood]!
          values[i * WIDTH + FACT.hits]! += scored[at + ROW_FACTS.greedyHits]!
          values[i * WIDTH + FACT.entropy]! += scored[at + ROW_FACTS.entropy]!
        }
      })
      return { examples, width: WIDTH, values }
    }
    const metrics = languageMetrics(sizes, graph.vocabulary)
    return {
      name: options.name,
      counts,
      defaultMetric: 'bits_per_byte',
      metric: spec => pickMetric(metrics, spec, where),
      measure,
    }
  },
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: Python counts them as white space.
const PYTHON_SPACE = /[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/

/** Python's `len(re.split(r"\s+", text))`, which the harness counts words with. */
export function wordCount(text: string): number {
  return text.split(PYTHON_SPACE).length
}

type Unit = keyof Sizes

/**
 * Ratios of sums: likelihood over all texts by tokens, bytes or words of all texts. A text's score is its likelihood by the *mean* size of
 * the split's texts, a number of the data alone, so that the mean of the scores of all texts is the ratio of the sums, the mean over a
 * part of the texts estimates it, and the score of a text does not depend on which others are scored.
 */
function languageMetrics(
  sizes: Readonly<Record<Split, Sizes>>,
  vocabulary: number,
): Readonly<Record<string, (spec: MetricSpec) => TaskMetric>> {
  const meanSize = Object.fromEntries(
    SPLITS.map(split => [
      split,
      { tokens: mean(sizes[split].tokens), bytes: mean(sizes[split].bytes), words: mean(sizes[split].words) },
    ]),
  ) as Record<Split, Record<Unit, number>>
  const scores =
    (fact: number, unit: Unit, factor: number) =>
    (facts: Facts, split: Split): Float32Array =>
      scoresOf(facts, at => (facts.values[at + fact]! * factor) / meanSize[split][unit])
  // What a model that knows nothing scores: every token equally likely.
  const guess = (unit: Unit): number => (Math.log(vocabulary) * meanSize.search.tokens) / meanSize.search[unit]
  const { negativeLogLikelihood: NLL, hits: HITS, entropy: ENTROPY } = FACT

  const loss = (unit: Unit, name: string, factor = 1): TaskMetric => ({
    direction: 'minimize',
    unit: name,
    reference: guess(unit) * factor,
    ideal: 0,
    perExample: { low: 0 },
    scores: scores(NLL, unit, factor),
  })
  const perplexity = (unit: Unit, name: string): TaskMetric => ({
    direction: 'minimize',
    unit: name,
    reference: Math.exp(guess(unit)),
    ideal: 1,
    scores: scores(NLL, unit, 1), // nats: the value is e to their mean
    value: (facts, split) => Math.exp(mean(scores(NLL, unit, 1)(facts, split))),
  })
  return {
    bits_per_byte: () => loss('bytes', 'bits/byte', Math.LOG2E),
    negative_log_likelihood: () => loss('tokens', 'nats/token'),
    perplexity: () => perplexity('tokens', 'perplexity per token'),
    byte_perplexity: () => perplexity('bytes', 'perplexity per byte'),
    word_perplexity: () => perplexity('words', 'perplexity per word'),
    token_accuracy: () => ({
      direction: 'maximize',
      unit: 'share of tokens predicted, 0..1',
      reference: 0,
      ideal: 1,
      perExample: { low: 0 },
      scores: scores(HITS, 'tokens', 1),
    }),
    entropy: () => ({
      direction: 'minimize',
      unit: 'nats/token',
      reference: Math.log(vocabulary),
      ideal: 0,
      perExample: { low: 0 },
      scores: scores(ENTROPY, 'tokens', 1),
    }),
  }
}
