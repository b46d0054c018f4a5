import { z } from 'zod'
import { ConfigError, FormatError, show } from '../../../errors.ts'
import type { Split } from '../../evaluator.ts'
import { arrayFrame } from '../array-frame.ts'
import {
  type ArrayTaskOptions,
  arrayTaskShape,
  mapArrayTaskPaths,
  mapSourcePath,
  openTaskData,
  runExamples,
  type TaskData,
} from '../array-task.ts'
import { digestExpert } from '../digest-expert.ts'
import { FactsRoom } from '../facts-room.ts'
import { rankOf } from '../label-ranks/rank-of.ts'
import { topHits } from '../label-ranks/top-hits.ts'
import { type Matrix, sizeOf, vector } from '../matrix.ts'
import { perSplit } from '../members.ts'
import { pickMetric, scoresOf } from '../metric.ts'
import { pathSchema } from '../options-shared.ts'
import { outputWidth, requireWidth } from '../output-shape.ts'
import type { Facts, MetricSpec, TaskContext, TaskDefinition, TaskMetric } from './task.ts'

/** Examples with one class each, and a graph that gives logits, shape [batch, classes]. */
const schema = z.strictObject({
  kind: z.literal('classification').optional().describe('Examples with one class each. This is the default.'),
  ...arrayTaskShape,
  label: z
    .strictObject({
      column: z.string().min(1).optional(),
      npy: pathSchema.optional().describe('A .npy file with one class index per example.'),
    })
    .refine(label => (label.column === undefined) !== (label.npy === undefined), {
      message: 'A label comes from either "column" or "npy": give exactly one of them.',
    })
    .optional()
    .describe('The class of every example. Without it there are the metrics that need none.'),
  expert: pathSchema
    .optional()
    .describe('A model of the same architecture whose answers to the same examples the merged model is compared with.'),
  hidden: z
    .string()
    .min(1)
    .optional()
    .describe('A value inside the graph, one vector per example, that is compared with the expert’s too.'),
})

export const classificationTask: TaskDefinition<typeof schema> = {
  kind: 'classification',
  options: schema,
  mapPaths: (options, change) => ({
    ...mapArrayTaskPaths(options, change),
    ...(options.label === undefined ? {} : { label: mapSourcePath(options.label, change) }),
    ...(options.expert === undefined ? {} : { expert: change(options.expert) }),
  }),
  plan: async (options, context) => {
    const { where } = context
    const output = options.output ?? context.output
    const classes = outputWidth(output, { value: context.classes, key: 'classes' }, context)
    const data = await openTaskData(options, context)
    const { label, expert, hidden } = options
    if (expert !== undefined) await digestExpert(expert, context.files, `${where}: expert`)
    const labels = label && readLabels(vectorOf(await data.target(label, 'the label')), classes)
    const count = labels?.length ?? (await exampleCount(options, data, context))
    const counted = {
      source: label ?? {},
      length: count,
      what: labels ? 'labels' : 'examples',
      strata: options.stratify === undefined ? labels : undefined,
    }
    const { members, counts, sources } = await arrayFrame(options, data, counted, context)
    const metrics = {
      ...(labels &&
        classificationMetrics(
          perSplit(split => members[split].map(record => labels[record]!)),
          classes,
        )),
      ...unlabelledMetrics(classes),
      ...(expert !== undefined && agreementMetrics(classes, hidden !== undefined)),
    }
    return {
      name: options.name,
      counts,
      defaultMetric: labels ? 'accuracy' : expert === undefined ? 'entropy' : 'expert_divergence',
      ...(expert === undefined ? {} : { expert }),
      metric: spec => pickMetric(metrics, spec, where),
      measure: async (runner, split, examples, _, room = new FactsRoom()) => {
        let width = classes
        let values = room.take(examples.length * width)
        await runExamples(
          runner,
          sources[split],
          examples,
          hidden === undefined ? [output] : [output, hidden],
          ([logits, inside], first, rows) => {
            requireWidth(logits!, rows, classes, output, context)
            if (inside !== undefined && width === classes) {
              width += sizeOf(inside.dims.slice(1))
              values = room.take(examples.length * width)
            }
            if (inside === undefined) {
              values.set(logits!.data.subarray(0, rows * classes), first * classes)
              return
            }
            const extra = width - classes
            for (let i = 0; i < rows; i++) {
              const at = (first + i) * width
              values.set(logits!.data.subarray(i * classes, (i + 1) * classes), at)
              values.set(inside.data.subarray(i * extra, (i + 1) * extra), at + classes)
            }
          },
        )
        return { examples, width, values }
      },
    }
  },
}

/** Of a task without labels: the records, or the rows of its first array. */
async function exampleCount(options: ArrayTaskOptions, data: TaskData, context: TaskContext): Promise<number> {
  if (data.records !== undefined) return data.records.length
  const array = Object.values({ ...context.inputOptions, ...options.inputs }).find(({ npy }) => npy !== undefined)
  if (array?.npy !== undefined) return (await data.readArray(array.npy)).length
  throw new ConfigError(`${context.where} names columns and needs "data".`)
}

/** A label column is one number wide. */
function vectorOf(matrix: Matrix): Matrix {
  return matrix.shape.join() === '1' && !matrix.from.endsWith('.npy') ? matrix : vector(matrix)
}

function readLabels(matrix: Matrix, classes: number): readonly number[] {
  return Array.from({ length: matrix.length }, (_, i) => {
    const value = matrix.value(i, 0)
    if (Number.isInteger(value) && value >= 0 && value < classes) return value
    throw new FormatError(`${matrix.where(i, 0)}: a class from 0 to ${classes - 1} is required, found ${show(value)}.`)
  })
}

/**
 * Facts are logits, shape (n, classes). A NaN among an example's logits makes its score NaN, whatever the metric: a broken model must not
 * look like a wrong answer.
 */
export function classificationMetrics(
  labels: Readonly<Record<Split, Int32Array>>,
  classes: number,
): Readonly<Record<string, (spec: MetricSpec) => TaskMetric>> {
  const share = (unit: string, reference: number, scores: TaskMetric['scores']): TaskMetric => ({
    direction: 'maximize',
    unit,
    reference,
    ideal: 1,
    perExample: { low: 0, high: 1 },
    scores,
  })
  const inTop =
    (k: number) =>
    (facts: Facts, split: Split): Float32Array =>
      topHits(facts, classes, labels[split], k)
  const present = balance(labels, classes)
  return {
    accuracy: () => share('accuracy, 0..1', 0, inTop(1)),
    top_k_accuracy: ({ k = 5 }) => {
      if (k >= classes)
        throw new ConfigError(`top_k_accuracy with k = ${k} is always 1: there are ${classes} classes.`, {
          hint: 'Set "k" of the objective.',
        })
      return share(`share of labels among the ${k} most likely, 0..1`, 0, inTop(k))
    },
    // Its scores are hits weighted by what the class lacks in examples, so that their mean is the mean of the classes' accuracies.
    balanced_accuracy: () => ({
      ...share('mean of the classes’ accuracies, 0..1', 0, (facts, split) => {
        const hits = inTop(1)(facts, split)
        return scoresOf(facts, (at, example) => hits[at / facts.width]! * present[split][labels[split][example]!]!)
      }),
      perExample: { low: 0 },
    }),
    negative_log_likelihood: () => ({
      direction: 'minimize',
      unit: 'nats/example',
      reference: Math.log(classes),
      ideal: 0,
      perExample: { low: 0 },
      scores: (facts, split) =>
        scoresOf(facts, (at, example) => negativeLogLikelihood(facts.values, at, classes, labels[split][example]!)),
    }),
  }
}

type Values = Facts['values']
type Metrics = Readonly<Record<string, (spec: MetricSpec) => TaskMetric>>

/** What predictions say of themselves. */
export function unlabelledMetrics(classes: number): Metrics {
  return {
    entropy: () => ({
      direction: 'minimize',
      unit: 'nats/example',
      reference: Math.log(classes),
      ideal: 0,
      perExample: { low: 0 },
      scores: facts => scoresOf(facts, at => entropy(facts.values, at, classes)),
    }),
  }
}

/**
 * How near answers are to an expert's, without any label (Expert Merging, arXiv 2509.25712, aligns logits and hidden states on unlabelled
 * examples). Facts of both are logits, then hidden values.
 */
export function agreementMetrics(classes: number, hasHidden: boolean): Metrics {
  const compare =
    (of: (own: Values, at: number, expert: Values, from: number, width: number) => number) =>
    (facts: Facts, _: Split, expert: Facts | undefined): Float32Array =>
      scoresOf(facts, (at, example) => of(facts.values, at, expert!.values, example * facts.width, facts.width))
  const metrics: Record<string, () => TaskMetric> = {
    // KL(expert ‖ merged) = Σ p (ln p - ln q).
    expert_divergence: () => ({
      direction: 'minimize',
      unit: 'nats/example, from the expert',
      reference: Math.log(classes),
      ideal: 0,
      needsExpert: 'facts',
      perExample: { low: 0 },
      scores: compare((own, at, expert, from) => divergence(expert, from, own, at, classes)),
    }),
    expert_agreement: () => ({
      direction: 'maximize',
      unit: 'share of examples with the expert’s class, 0..1',
      reference: 0,
      ideal: 1,
      needsExpert: 'facts',
      perExample: { low: 0, high: 1 },
      scores: compare((own, at, expert, from) => {
        const rank = rankOf(own, at, classes, largest(expert, from, classes))
        return Number.isNaN(rank) ? rank : rank === 0 ? 1 : 0
      }),
    }),
  }
  if (!hasHidden) return metrics
  metrics.hidden_similarity = () => ({
    direction: 'maximize',
    unit: 'cosine to the expert’s hidden values, -1..1',
    reference: 0,
    ideal: 1,
    needsExpert: 'facts',
    perExample: { low: -1, high: 1 },
    scores: compare((own, at, expert, from, width) => {
      let [dot, oo, ee] = [0, 0, 0]
      for (let k = classes; k < width; k++) {
        const [a, b] = [own[at + k]!, expert[from + k]!]
        dot += a * b
        oo += a * a
        ee += b * b
      }
      return oo === 0 || ee === 0 ? 0 : Math.max(-1, Math.min(1, dot / Math.sqrt(oo * ee)))
    }),
  })
  return metrics
}

/** Σ p (ln p - ln q), p and q being the softmax of logits. Nats; never negative. */
function divergence(p: Values, from: number, q: Values, at: number, classes: number): number {
  let sum = 0
  for (let c = 0; c < classes; c++) {
    const lnP = -negativeLogLikelihood(p, from, classes, c)
    if (lnP > -700) sum += Math.exp(lnP) * (lnP + negativeLogLikelihood(q, at, classes, c))
  }
  return sum < 0 ? 0 : sum
}

function largest(values: Values, at: number, classes: number): number {
  let best = 0
  for (let c = 1; c < classes; c++) if (values[at + c]! > values[at + best]!) best = c
  return best
}

/** -ln softmax(logits)[label] = ln Σ exp(z - max) - (z[label] - max). Nats. */
export function negativeLogLikelihood(values: Values, at: number, classes: number, label: number): number {
  let max = Number.NEGATIVE_INFINITY
  for (let c = 0; c < classes; c++) max = Math.max(max, values[at + c]!) // NaN stays NaN
  let sum = 0
  for (let c = 0; c < classes; c++) sum += Math.exp(values[at + c]! - max)
  return Math.log(sum) - (values[at + label]! - max)
}

/** -Σ p ln p of softmax(logits): how undecided a prediction is. AdaMerging (Yang et al. 2024, arXiv 2310.02575) minimises it. Nats. */
export function entropy(values: Values, at: number, classes: number): number {
  let max = Number.NEGATIVE_INFINITY
  for (let c = 0; c < classes; c++) max = Math.max(max, values[at + c]!)
  let [sum, weighted] = [0, 0]
  for (let c = 0; c < classes; c++) {
    const z = values[at + c]! - max
    const p = Math.exp(z)
    sum += p
    if (p !== 0) weighted += z * p
  }
  return Math.log(sum) - weighted / sum
}

/** Per split and class n / (classes with examples × examples of the class). */
function balance(labels: Readonly<Record<Split, Int32Array>>, classes: number): Readonly<Record<Split, Float64Array>> {
  const weightsOf = (split: Split): Float64Array => {
    const counts = new Float64Array(classes)
    for (const label of labels[split]) counts[label]!++
    const held = counts.filter(count => count > 0).length
    return counts.map(count => (count === 0 ? 0 : labels[split].length / (held * count)))
  }
  return { search: weightsOf('search'), select: weightsOf('select'), holdout: weightsOf('holdout') }
}
