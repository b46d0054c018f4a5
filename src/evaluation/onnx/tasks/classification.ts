import { z } from 'zod'
import { ConfigError, FormatError, show } from '../../../errors.ts'
import type { Split } from '../../evaluator.ts'
import {
  arrayInputs,
  arrayMembers,
  arrayTaskShape,
  mapArrayTaskPaths,
  mapSourcePath,
  openTaskData,
  runExamples,
} from '../array-task.ts'
import { type Matrix, vector } from '../matrix.ts'
import { pickMetric, scoresOf } from '../metric.ts'
import { pathSchema } from '../options-shared.ts'
import { outputWidth, requireWidth } from '../output-shape.ts'
import type { Facts, MetricSpec, TaskDefinition, TaskMetric } from './task.ts'

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
    }),
})

export const classificationTask: TaskDefinition<typeof schema> = {
  kind: 'classification',
  options: schema,
  mapPaths: (options, change) => ({
    ...mapArrayTaskPaths(options, change),
    label: mapSourcePath(options.label, change),
  }),
  plan: async (options, context) => {
    const { where } = context
    const output = options.output ?? context.output
    const classes = outputWidth(output, { value: context.classes, key: 'classes' }, context)
    const data = await openTaskData(options, context)
    const labels = readLabels(vectorOf(await data.target(options.label, 'the label')), classes)
    const members = await arrayMembers(options, data, labels, 'labels', context)
    const reserved = new Set([options.label.column, options.split.column].filter(name => name !== undefined))
    const sources = await arrayInputs(options, data, members, labels.length, 'labels', reserved, context)
    const labelsOf = (split: Split): Int32Array => members[split].map(record => labels[record]!)
    const targets = { search: labelsOf('search'), select: labelsOf('select'), holdout: labelsOf('holdout') }
    const metrics = classificationMetrics(targets, classes)
    return {
      name: options.name,
      counts: { search: targets.search.length, select: targets.select.length, holdout: targets.holdout.length },
      defaultMetric: 'accuracy',
      metric: spec => pickMetric(metrics, spec, where),
      measure: async (runner, split, examples) => {
        const values = new Float64Array(examples.length * classes)
        await runExamples(runner, sources[split], examples, output, (found, first, count) => {
          requireWidth(found, count, classes, output, context)
          values.set(found.data.subarray(0, count * classes), first * classes)
        })
        return { examples, width: classes, values }
      },
    }
  },
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
      scoresOf(facts, (at, example) => {
        const rank = rankOf(facts.values, at, classes, labels[split][example]!)
        return Number.isNaN(rank) ? rank : rank < k ? 1 : 0
      })
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
        return scoresOf(facts, (at, example) => hits[at / classes]! * present[split][labels[split][example]!]!)
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

/** How many classes come before `label`, from the largest logit down; ties go to the lower class. NaN where a logit is NaN. */
export function rankOf(values: Float64Array, at: number, classes: number, label: number): number {
  const own = values[at + label]!
  let rank = 0
  let broken = false
  for (let c = 0; c < classes; c++) {
    const value = values[at + c]!
    if (value > own || (value === own && c < label)) rank++
    broken ||= Number.isNaN(value)
  }
  return broken ? Number.NaN : rank
}

/** -ln softmax(logits)[label] = ln Σ exp(z - max) - (z[label] - max). Nats. */
export function negativeLogLikelihood(values: Float64Array, at: number, classes: number, label: number): number {
  let max = Number.NEGATIVE_INFINITY
  for (let c = 0; c < classes; c++) max = Math.max(max, values[at + c]!) // NaN stays NaN
  let sum = 0
  for (let c = 0; c < classes; c++) sum += Math.exp(values[at + c]! - max)
  return Math.log(sum) - (values[at + label]! - max)
}

/** -Σ p ln p of softmax(logits): how undecided a prediction is. AdaMerging (Yang et al. 2024, arXiv 2310.02575) minimises it. Nats. */
export function entropy(values: Float64Array, at: number, classes: number): number {
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
