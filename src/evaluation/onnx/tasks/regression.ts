import { z } from 'zod'
import { ConfigError, EvaluatorError, show } from '../../../errors.ts'
import type { Split } from '../../evaluator.ts'
import { arrayFrame, measureOutput } from '../array-frame.ts'
import { arrayTaskShape, mapArrayTaskPaths, mapSourcePath, openTaskData } from '../array-task.ts'
import { sizeOf } from '../matrix.ts'
import { perSplit } from '../members.ts'
import { pickMetric, scoresOf } from '../metric.ts'
import { targetSchema } from '../options-shared.ts'
import { averageRanks } from '../ranks.ts'
import type { Facts, MetricSpec, TaskDefinition, TaskMetric } from './task.ts'

/** Examples with one or several numbers to predict; the graph's output has as many. */
const schema = z.strictObject({
  kind: z.literal('regression').describe('Examples with numbers to predict.'),
  ...arrayTaskShape,
  target: targetSchema.describe('The numbers to predict.'),
})

export const regressionTask: TaskDefinition<typeof schema> = {
  kind: 'regression',
  options: schema,
  mapPaths: (options, change) => ({
    ...mapArrayTaskPaths(options, change),
    target: mapSourcePath(options.target, change),
  }),
  plan: async (options, context) => {
    const { where } = context
    const output = options.output ?? context.output
    const data = await openTaskData(options, context)
    const matrix = await data.target(options.target, 'the target')
    const width = sizeOf(matrix.shape)
    const counted = { source: options.target, length: matrix.length, what: 'targets' }
    const frame = await arrayFrame(options, data, counted, context)
    const targets = perSplit(split => {
      const values = new Float64Array(frame.counts[split] * width)
      frame.members[split].forEach((record, i) => {
        for (let k = 0; k < width; k++) values[i * width + k] = matrix.value(record, k)
      })
      return values
    })
    const metrics = regressionMetrics(targets, width, where)
    return {
      name: options.name,
      counts: frame.counts,
      defaultMetric: 'mean_squared_error',
      metric: spec => pickMetric(metrics, spec, where),
      measure: measureOutput(frame, output, width, ({ dims }) => {
        if (sizeOf(dims.slice(1)) !== width)
          throw new EvaluatorError(
            `Output ${show(output)} of ${context.graph} must have ${width} numbers per example, as the target; it has shape [${dims.join(', ')}].`,
          )
      }),
    }
  },
}

/**
 * Facts are predictions, shape (n, width). Errors are means over an example's numbers. `reference` is what the mean of the search targets
 * scores as a guess.
 */
export function regressionMetrics(
  targets: Readonly<Record<Split, Float64Array>>,
  width: number,
  where: string,
): Readonly<Record<string, (spec: MetricSpec) => TaskMetric>> {
  const error =
    (of: (difference: number, k: number, split: Split) => number) =>
    (facts: Facts, split: Split): Float32Array =>
      scoresOf(facts, (at, example) => {
        let sum = 0
        for (let k = 0; k < width; k++)
          sum += of(facts.values[at + k]! - targets[split][example * width + k]!, k, split)
        return sum / width
      })
  const means = meansOf(targets.search, width)
  const guess = (of: (difference: number) => number): number => {
    let sum = 0
    targets.search.forEach((target, i) => {
      sum += of(means[i % width]! - target)
    })
    return sum / targets.search.length
  }
  const loss = (unit: string, of: (difference: number) => number): TaskMetric => ({
    direction: 'minimize',
    unit,
    reference: guess(of),
    ideal: 0,
    perExample: { low: 0 },
    scores: error(of),
  })
  return {
    mean_squared_error: () => loss('squared units of the target', difference => difference * difference),
    mean_absolute_error: () => loss('units of the target', Math.abs),
    // 1 - squared error / variance, the variance being the split's: a number of the data alone, so that the mean of the scores is R².
    r_squared: () => {
      const variances = {
        search: variancesOf(targets.search, width),
        select: variancesOf(targets.select, width),
        holdout: variancesOf(targets.holdout, width),
      }
      if (Object.values(variances).some(list => list.includes(0)))
        throw new ConfigError(`${where}: r_squared needs targets that vary in every split.`)
      return {
        direction: 'maximize',
        unit: 'R²',
        reference: 0,
        ideal: 1,
        perExample: { high: 1 },
        scores: error((difference, k, split) => 1 - (difference * difference) / variances[split][k]!),
      }
    },
    spearman: () => ({
      direction: 'maximize',
      unit: 'rank correlation, -1..1',
      reference: 0,
      ideal: 1,
      scores: error(difference => -Math.abs(difference)), // what an example alone can say
      value: (facts, split) => {
        let sum = 0
        for (let k = 0; k < width; k++) {
          const own = Float64Array.from(facts.examples, (_, i) => facts.values[i * width + k]!)
          const truth = Float64Array.from(facts.examples, example => targets[split][example * width + k]!)
          sum += spearman(own, truth)
        }
        return sum / width
      },
    }),
  }
}

/** Correlation of ranks, ties getting the mean of theirs (C. Spearman, 1904). 0 where one side is constant; NaN where one has a NaN. */
export function spearman(a: Float64Array, b: Float64Array): number {
  if (a.some(Number.isNaN) || b.some(Number.isNaN)) return Number.NaN
  const [x, y] = [averageRanks(a), averageRanks(b)]
  const mean = (a.length - 1) / 2
  let [xy, xx, yy] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    const [p, q] = [x[i]! - mean, y[i]! - mean]
    xy += p * q
    xx += p * p
    yy += q * q
  }
  return xx === 0 || yy === 0 ? 0 : xy / Math.sqrt(xx * yy)
}

function meansOf(values: Float64Array, width: number): Float64Array {
  const means = new Float64Array(width)
  values.forEach((value, i) => {
    means[i % width]! += (value * width) / values.length
  })
  return means
}

function variancesOf(values: Float64Array, width: number): Float64Array {
  const means = meansOf(values, width)
  const variances = new Float64Array(width)
  values.forEach((value, i) => {
    variances[i % width]! += ((value - means[i % width]!) ** 2 * width) / values.length
  })
  return variances
}
