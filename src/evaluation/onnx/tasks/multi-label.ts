import { z } from 'zod'
import { FormatError, show } from '../../../errors.ts'
import type { Split } from '../../evaluator.ts'
import { arrayFrame, measureOutput } from '../array-frame.ts'
import { arrayTaskShape, mapArrayTaskPaths, mapSourcePath, openTaskData } from '../array-task.ts'
import { type Matrix, sizeOf } from '../matrix.ts'
import { perSplit } from '../members.ts'
import { pickMetric, scoresOf } from '../metric.ts'
import { targetSchema } from '../options-shared.ts'
import { outputWidth, requireWidth } from '../output-shape.ts'
import { averagePrecision } from '../ranks.ts'
import type { Facts, MetricSpec, TaskDefinition, TaskMetric } from './task.ts'

/** Examples with any number of labels, and a graph that gives a logit per label, shape [batch, labels]. */
const schema = z.strictObject({
  kind: z.literal('multi_label').describe('Examples with any number of labels.'),
  ...arrayTaskShape,
  labels: targetSchema.describe('A 0 or 1 per label.'),
  threshold: z.number().gt(0).lt(1).default(0.5).describe('Probability from which on a label is given.'),
})

export const multiLabelTask: TaskDefinition<typeof schema> = {
  kind: 'multi_label',
  options: schema,
  mapPaths: (options, change) => ({
    ...mapArrayTaskPaths(options, change),
    labels: mapSourcePath(options.labels, change),
  }),
  plan: async (options, context) => {
    const { where } = context
    const output = options.output ?? context.output
    const data = await openTaskData(options, context)
    const matrix = await data.target(options.labels, 'the labels')
    const labels = outputWidth(output, { value: sizeOf(matrix.shape), key: 'labels' }, context)
    const counted = { source: options.labels, length: matrix.length, what: 'labels' }
    const frame = await arrayFrame(options, data, counted, context)
    const truth = perSplit(split => readTruth(matrix, frame.members[split], labels))
    const logit = Math.log(options.threshold / (1 - options.threshold))
    const metrics = multiLabelMetrics(truth, labels, logit)
    return {
      name: options.name,
      counts: frame.counts,
      defaultMetric: 'example_f1',
      metric: spec => pickMetric(metrics, spec, where),
      measure: measureOutput(frame, output, labels, (found, count) =>
        requireWidth(found, count, labels, output, context),
      ),
    }
  },
}

function readTruth(matrix: Matrix, members: Int32Array, labels: number): Uint8Array {
  const truth = new Uint8Array(members.length * labels)
  members.forEach((record, i) => {
    for (let k = 0; k < labels; k++) {
      const value = matrix.value(record, k)
      if (value !== 0 && value !== 1)
        throw new FormatError(`${matrix.where(record, k)}: 0 or 1 is required, found ${show(value)}.`)
      truth[i * labels + k] = value
    }
  })
  return truth
}

/** Facts are logits, shape (n, labels). A NaN makes the example's score, and every value, NaN. */
export function multiLabelMetrics(
  truth: Readonly<Record<Split, Uint8Array>>,
  labels: number,
  threshold: number,
): Readonly<Record<string, (spec: MetricSpec) => TaskMetric>> {
  /** Labels given and right, given and wrong, missed, at `[right, wrong, missed]`. */
  const count = (facts: Facts, split: Split, i: number, k: number, into: [number, number, number]): void => {
    const logit = facts.values[i * labels + k]!
    const isTrue = truth[split][facts.examples[i]! * labels + k] === 1
    const isGiven = logit >= threshold
    if (Number.isNaN(logit)) into[0] = Number.NaN
    else if (isTrue && isGiven) into[0]++
    else if (isGiven) into[1]++
    else if (isTrue) into[2]++
  }
  const f1 = ([right, wrong, missed]: readonly [number, number, number], none: number): number =>
    right + wrong + missed === 0 ? none : (2 * right) / (2 * right + wrong + missed)
  const exampleF1 = (facts: Facts, split: Split): Float32Array =>
    scoresOf(facts, at => {
      const counts: [number, number, number] = [0, 0, 0]
      for (let k = 0; k < labels; k++) count(facts, split, at / labels, k, counts)
      return f1(counts, 1)
    })
  const share = (unit: string, scores: TaskMetric['scores']): TaskMetric => ({
    direction: 'maximize',
    unit,
    reference: 0,
    ideal: 1,
    perExample: { low: 0, high: 1 },
    scores,
  })
  /** Of all examples together; the scores are those of `example_f1`. */
  const together = (unit: string, value: TaskMetric['value']): TaskMetric => {
    const { perExample: _, ...metric } = share(unit, exampleF1)
    return { ...metric, ...(value === undefined ? {} : { value }) }
  }
  const agreement =
    (isAll: boolean) =>
    (facts: Facts, split: Split): Float32Array =>
      scoresOf(facts, at => {
        const counts: [number, number, number] = [0, 0, 0]
        for (let k = 0; k < labels; k++) count(facts, split, at / labels, k, counts)
        const wrong = counts[1] + counts[2]
        if (Number.isNaN(counts[0])) return Number.NaN
        return isAll ? (wrong === 0 ? 1 : 0) : 1 - wrong / labels
      })
  return {
    example_f1: () => share('mean of the examples’ F1, 0..1', exampleF1),
    subset_accuracy: () => share('share of examples with all labels right, 0..1', agreement(true)),
    label_accuracy: () => share('share of labels that are right, 0..1', agreement(false)),
    micro_f1: () =>
      together('F1 over all labels and examples, 0..1', (facts, split) => {
        const counts: [number, number, number] = [0, 0, 0]
        for (let i = 0; i < facts.examples.length; i++)
          for (let k = 0; k < labels; k++) count(facts, split, i, k, counts)
        return f1(counts, 1)
      }),
    macro_f1: () =>
      together('mean of the labels’ F1, 0..1', (facts, split) => {
        let sum = 0
        for (let k = 0; k < labels; k++) {
          const counts: [number, number, number] = [0, 0, 0]
          for (let i = 0; i < facts.examples.length; i++) count(facts, split, i, k, counts)
          sum += f1(counts, 1)
        }
        return sum / labels
      }),
    mean_average_precision: () =>
      together('mean of the labels’ average precision, 0..1', (facts, split) => {
        let [sum, held] = [0, 0]
        for (let k = 0; k < labels; k++) {
          const relevant = Array.from(facts.examples, example => truth[split][example * labels + k] === 1)
          if (!relevant.includes(true)) continue // a label that no example has says nothing
          held++
          sum += averagePrecision(
            Float64Array.from(facts.examples, (_, i) => facts.values[i * labels + k]!),
            relevant,
          )
        }
        return sum / held
      }),
    negative_log_likelihood: () => ({
      direction: 'minimize',
      unit: 'nats/label',
      reference: Math.LN2,
      ideal: 0,
      perExample: { low: 0 },
      scores: (facts, split) =>
        scoresOf(facts, (at, example) => {
          let sum = 0
          for (let k = 0; k < labels; k++) {
            const z = facts.values[at + k]! * (truth[split][example * labels + k] === 1 ? 1 : -1)
            sum += Math.max(-z, 0) + Math.log1p(Math.exp(-Math.abs(z))) // ln(1 + e^-z) without overflow
          }
          return sum / labels
        }),
    }),
  }
}
