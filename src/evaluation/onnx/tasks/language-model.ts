import { z } from 'zod'
import { ConfigError, FormatError, show } from '../../../errors.ts'
import { columnOf } from '../../data/records.ts'
import { digestExpert } from '../digest-expert.ts'
import { COMPARED_FACTS, COMPARED_WIDTH, compareTokenRows } from '../language/compare-rows.ts'
import { encodeText } from '../language/language-graph.ts'
import { TEXT_FACTS, type TextSizes, textAgreementMetrics, textMetrics } from '../language/text-metrics.ts'
import { exampleRows, mapTextTaskPaths, openTextTask, rowsOfExamples, textTaskShape } from '../language/text-task.ts'
import { ROW_WIDTH, scoreTokenRows } from '../language/token-rows.ts'
import { rollingWindows } from '../language/windows.ts'
import { perSplit } from '../members.ts'
import { pickMetric } from '../metric.ts'
import { pathSchema } from '../options-shared.ts'
import type { PlannedTask, TaskDefinition } from './task.ts'

/**
 * How well a causal language model predicts texts: an example is a text, every token of it is predicted once (`rollingWindows`). What
 * lm-evaluation-harness calls `loglikelihood_rolling`.
 */
const schema = z.strictObject({
  kind: z.literal('language_model').describe('How well a causal language model predicts texts.'),
  ...textTaskShape,
  column: z.string().min(1).default('text').describe('Column that holds the text.'),
  expert: pathSchema
    .optional()
    .describe(
      'A model of the same architecture whose predictions the merged model’s are compared with, token by token.',
    ),
  hidden: z
    .string()
    .min(1)
    .optional()
    .describe('A value inside the graph, one vector per token, that is compared with the expert’s too.'),
})

export const languageModelTask: TaskDefinition<typeof schema> = {
  kind: 'language_model',
  options: schema,
  mapPaths: (options, change) => ({
    ...mapTextTaskPaths(options, change),
    ...(options.expert === undefined ? {} : { expert: change(options.expert) }),
  }),
  plan: async (options, context) => {
    const { where } = context
    const { expert, hidden } = options
    if (hidden !== undefined && expert === undefined)
      throw new ConfigError(`${where} names ${show(hidden)} under "hidden", and no model to compare it with.`, {
        hint: 'Name one under "expert", or leave "hidden" out.',
      })
    if (expert !== undefined) await digestExpert(expert, context.files, `${where}: expert`)
    const { graph, records, members, counts } = await openTextTask(options, context)
    const texts = columnOf(records, options.column).map((cell, record) => {
      if (typeof cell === 'string' && cell !== '') return cell
      throw new FormatError(
        `${records.where(record)}, ${show(options.column)}: a text is required, found ${show(cell)}.`,
      )
    })
    const tokens = new Map<number, readonly number[]>()
    const rows = exampleRows(members, record => {
      const own = encodeText(graph, texts[record]!, records.where(record))
      if (own.length === 0 && expert !== undefined)
        throw new FormatError(
          `${records.where(record)}: a text of at least one token is required for a comparison with "expert"; the tokenizer finds none in ${show(texts[record])}.`,
        )
      tokens.set(record, own)
      return rollingWindows(own, graph.prefixToken, graph.maxLength)
    })
    const sizes = perSplit(
      (split): TextSizes => ({
        tokens: Float64Array.from(members[split], record => tokens.get(record)!.length),
        bytes: Float64Array.from(members[split], record => Buffer.byteLength(texts[record]!, 'utf8')),
        words: Float64Array.from(members[split], record => wordCount(texts[record]!)),
      }),
    )

    const measure: PlannedTask['measure'] = async (runner, split, examples, expertRun) => {
      const { rows: own, starts } = rows[split]
      const wanted = rowsOfExamples(rows[split], examples)
      const scored =
        expertRun === undefined
          ? await scoreTokenRows(runner, graph, own, wanted)
          : await compareTokenRows(runner, { graph, expert: expertRun, hidden }, own, wanted)
      const width = expertRun === undefined ? ROW_WIDTH : COMPARED_WIDTH
      const values = new Float64Array(examples.length * width)
      let at = 0
      examples.forEach((example, i) => {
        for (let row = starts[example]!; row < starts[example + 1]!; row++)
          for (let k = 0; k < width; k++) values[i * width + k]! += scored[at++]!
        values[i * width + TEXT_FACTS.negativeLogLikelihood] = 0 - values[i * width + COMPARED_FACTS.logLikelihood]!
      })
      return { examples, width, values }
    }
    const metrics = {
      ...textMetrics(sizes, graph.vocabulary),
      ...(expert !== undefined && textAgreementMetrics(sizes, graph.vocabulary, hidden !== undefined)),
    }
    return {
      name: options.name,
      counts,
      defaultMetric: 'bits_per_byte',
      ...(expert === undefined ? {} : { expert }),
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
