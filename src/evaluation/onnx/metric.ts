import { ConfigError, nearest, show } from '../../errors.ts'
import type { Facts, MetricSpec, TaskMetric } from './tasks/task.ts'

/** Mean in float64, left to right: the same numbers give the same bits. */
export function mean(scores: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < scores.length; i++) sum += scores[i]!
  return sum / scores.length
}

/** One score per example from its facts: `of` gets where the example's facts begin, and its position in the split. */
export function scoresOf(facts: Facts, of: (at: number, example: number) => number): Float32Array {
  const { examples, width } = facts
  const scores = new Float32Array(examples.length)
  for (let i = 0; i < scores.length; i++) scores[i] = of(i * width, examples[i]!)
  return scores
}

/** The metric that an objective names, out of those that a kind of task has. */
export function pickMetric(
  metrics: Readonly<Record<string, (spec: MetricSpec) => TaskMetric>>,
  spec: MetricSpec,
  where: string,
): TaskMetric {
  const make = Object.hasOwn(metrics, spec.metric) ? metrics[spec.metric] : undefined
  if (make !== undefined) return make(spec)
  const names = Object.keys(metrics)
  const near = nearest(spec.metric, names)
  throw new ConfigError(`${where} has no metric ${show(spec.metric)}; it has ${names.join(', ')}.`, {
    ...(near === undefined ? {} : { hint: `Did you mean ${show(near)}?` }),
  })
}
