import { z } from 'zod'
import { ConfigError, FormatError, show } from '../../../errors.ts'
import { columnOf, type Records } from '../../data/records.ts'
import { textsOf } from '../../data/template.ts'
import type { Split } from '../../evaluator.ts'
import { encodeText } from '../language/language-graph.ts'
import { exampleRows, mapTextTaskPaths, openTextTask, rowsOfExamples, textTaskShape } from '../language/text-task.ts'
import { ROW_FACTS, scoreTokenRows } from '../language/token-rows.ts'
import { continuationRow, encodePair } from '../language/windows.ts'
import { perSplit } from '../members.ts'
import { pickMetric, scoresOf } from '../metric.ts'
import type { Facts, MetricSpec, PlannedTask, TaskDefinition, TaskMetric } from './task.ts'

/**
 * Questions whose answer is the choice that a causal language model finds most likely, scored as lm-evaluation-harness scores
 * `multiple_choice`: a choice's score is the sum of ln p of its tokens after the context.
 */
const schema = z.strictObject({
  kind: z
    .literal('multiple_choice')
    .describe('Questions whose answer is the choice that a language model finds most likely.'),
  ...textTaskShape,
  context: z
    .string()
    .min(1)
    .describe('What precedes the answer: a column, or a template in which {{column}} stands for a cell.'),
  choices: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(2).max(256)])
    .describe('Column with the list of answers, or one column or template per answer.'),
  answer: z.string().min(1).describe('Column with the right answer: its position from 0, its letter, or its text.'),
  delimiter: z.string().default(' ').describe('Stands between context and answer; the harness’s target_delimiter.'),
})
type MultipleChoiceOptions = z.infer<typeof schema>

interface Question {
  readonly choices: readonly string[]
  readonly answer: number
}

export const multipleChoiceTask: TaskDefinition<typeof schema> = {
  kind: 'multiple_choice',
  options: schema,
  mapPaths: mapTextTaskPaths,
  plan: async (options, context) => {
    const { where } = context
    const { graph, records, members, counts } = await openTextTask(options, context)
    const contexts = textsOf(records, options.context)
    const choices = readChoices(records, options.choices)
    const answers = columnOf(records, options.answer).map((cell, i) => readAnswer(cell, choices[i]!, records, i))
    const questions = perSplit(split =>
      Array.from(members[split], (record): Question => ({ choices: choices[record]!, answer: answers[record]! })),
    )
    const rows = exampleRows(members, record =>
      choices[record]!.map(choice => {
        const pair = encodePair(
          contexts[record]!,
          options.delimiter + choice,
          text => encodeText(graph, text, records.where(record)),
          graph.prefixToken,
        )
        const { length } = pair.continuation
        if (length === 0 || length > graph.maxLength)
          throw new ConfigError(
            `${records.where(record)}: the answer ${show(choice)} has ${length} tokens; 1 to ${graph.maxLength} can be scored.`,
          )
        return continuationRow(pair, graph.maxLength)
      }),
    )

    /** Two numbers per choice: its log-likelihood, and 1 where each of its tokens is the most likely one. */
    const width = 2 * Math.max(...choices.map(own => own.length))
    const measure: PlannedTask['measure'] = async (runner, split, examples) => {
      const { rows: own, starts } = rows[split]
      const scored = await scoreTokenRows(runner, graph, own, rowsOfExamples(rows[split], examples))
      const values = new Float64Array(examples.length * width)
      let at = 0
      examples.forEach((example, i) => {
        for (let row = starts[example]!; row < starts[example + 1]!; row++, at += 3) {
          const c = row - starts[example]!
          values[i * width + 2 * c] = scored[at + ROW_FACTS.logLikelihood]!
          const isGreedy = scored[at + ROW_FACTS.greedyHits] === own[row]!.targets.length
          values[i * width + 2 * c + 1] = isGreedy ? 1 : 0
        }
      })
      return { examples, width, values }
    }
    const meanChoices = questions.search.reduce((sum, own) => sum + own.choices.length, 0) / questions.search.length
    const metrics = choiceMetrics(questions, meanChoices)
    return {
      name: options.name,
      counts,
      defaultMetric: 'acc',
      metric: spec => pickMetric(metrics, spec, where),
      measure,
    }
  },
}

function readChoices(records: Records, option: MultipleChoiceOptions['choices']): readonly (readonly string[])[] {
  if (typeof option !== 'string') {
    const lists = option.map(template => textsOf(records, template))
    return Array.from({ length: records.length }, (_, i) => lists.map(list => list[i]!))
  }
  return columnOf(records, option).map((cell, i) => {
    const list = typeof cell === 'string' ? parseList(cell) : cell
    if (!Array.isArray(list) || list.length < 2 || list.some(item => typeof item !== 'string' || item === ''))
      throw new FormatError(
        `${records.where(i)}, ${show(option)}: a list of at least two texts is required, found ${show(cell)}.`,
      )
    return list as readonly string[]
  })
}

/** A list in a CSV cell is written as JSON. */
function parseList(cell: string): unknown {
  try {
    return JSON.parse(cell)
  } catch {
    return undefined
  }
}

function readAnswer(cell: unknown, choices: readonly string[], records: Records, record: number): number {
  const text = typeof cell === 'string' ? cell.trim() : cell
  if (typeof text === 'string') {
    const same = choices.indexOf(text)
    if (same >= 0) return same
  }
  const isLetter = typeof text === 'string' && /^[A-Za-z]$/.test(text)
  const isDigits = typeof text === 'string' && /^\d+$/.test(text)
  const index = isLetter ? text.toUpperCase().charCodeAt(0) - 65 : isDigits ? Number(text) : Number(cell)
  if ((typeof text === 'number' || typeof text === 'bigint' || isLetter || isDigits) && choices[index] !== undefined)
    return index
  throw new FormatError(
    `${records.where(record)}: the answer must be a position from 0 to ${choices.length - 1}, a letter or one of the choices; found ${show(typeof cell === 'bigint' ? String(cell) : cell)}.`,
  )
}

type Questions = Readonly<Record<Split, readonly Question[]>>

function choiceMetrics(
  questions: Questions,
  meanChoices: number,
): Readonly<Record<string, (spec: MetricSpec) => TaskMetric>> {
  /** 1 where the right choice has the largest log-likelihood by `size` (ties: the first), NaN where one is NaN. */
  const hit =
    (size: (choice: string) => number) =>
    (facts: Facts, split: Split): Float32Array =>
      scoresOf(facts, (at, example) => {
        const { choices, answer } = questions[split][example]!
        let best = -1
        let most = Number.NEGATIVE_INFINITY
        for (const [c, choice] of choices.entries()) {
          const value = facts.values[at + 2 * c]! / size(choice)
          if (Number.isNaN(value)) return Number.NaN
          if (best < 0 || value > most) [best, most] = [c, value]
        }
        return best === answer ? 1 : 0
      })
  const accuracy = (unit: string, size: (choice: string) => number) => (): TaskMetric => ({
    direction: 'maximize',
    unit,
    reference: 0,
    ideal: 1,
    perExample: { low: 0, high: 1 },
    scores: hit(size),
  })
  return {
    acc: accuracy('accuracy, 0..1', () => 1),
    // Characters are code points, as Python counts them.
    acc_norm: accuracy('accuracy by likelihood per character, 0..1', choice => [...choice].length),
    acc_bytes: accuracy('accuracy by likelihood per byte, 0..1', choice => Buffer.byteLength(choice, 'utf8')),
    exact_match: () => ({
      direction: 'maximize',
      unit: 'share of right answers that greedy decoding gives, 0..1',
      reference: 0,
      ideal: 1,
      perExample: { low: 0, high: 1 },
      scores: (facts, split) =>
        scoresOf(facts, (at, example) => {
          const { answer } = questions[split][example]!
          return Number.isNaN(facts.values[at + 2 * answer]!) ? Number.NaN : facts.values[at + 2 * answer + 1]!
        }),
    }),
    negative_log_likelihood: () => ({
      direction: 'minimize',
      unit: 'nats/question, among the choices',
      reference: Math.log(meanChoices),
      ideal: 0,
      perExample: { low: 0 },
      scores: (facts, split) =>
        scoresOf(facts, (at, example) => {
          const { choices, answer } = questions[split][example]!
          const values = choices.map((_, c) => facts.values[at + 2 * c]!)
          const max = Math.max(...values)
          const sum = values.reduce((total, value) => total + Math.exp(value - max), 0)
          return Math.log(sum) - (values[answer]! - max)
        }),
    }),
  }
}
