import { z } from 'zod'
import { ConfigError, EvaluatorError, FormatError, show } from '../../../errors.ts'
import { arrayFrame } from '../array-frame.ts'
import {
  arrayTaskShape,
  mapArrayTaskPaths,
  mapSourcePath,
  openTaskData,
  runExamples,
  unknownName,
} from '../array-task.ts'
import { type Matrix, sizeOf } from '../matrix.ts'
import { perSplit } from '../members.ts'
import { pickMetric, scoresOf } from '../metric.ts'
import { maskSchema } from '../options-shared.ts'
import type { Facts, MetricSpec, OutputArray, TaskContext, TaskDefinition, TaskMetric } from './task.ts'

/**
 * Images with a class per pixel, and a graph that gives logits per pixel: shape [batch, classes, height, width], or with one channel
 * the logit of the foreground.
 */
const schema = z.strictObject({
  kind: z.literal('segmentation').describe('Images with a class per pixel.'),
  ...arrayTaskShape,
  mask: maskSchema.describe('The class of every pixel, from 0, the background.'),
  ignore: z.int().optional().describe('Value of pixels in a mask that do not count.'),
})

const IGNORED = 255

export const segmentationTask: TaskDefinition<typeof schema> = {
  kind: 'segmentation',
  options: schema,
  mapPaths: (options, change) => ({
    ...mapArrayTaskPaths(options, change),
    mask: mapSourcePath(options.mask, change),
  }),
  plan: async (options, context) => {
    const { where } = context
    const output = options.output ?? context.output
    const classes = classCount(output, context)
    const data = await openTaskData(options, context)
    const matrix = await data.masks(options.mask)
    const pixels = sizeOf(matrix.shape)
    const counted = { source: options.mask, length: matrix.length, what: 'masks' }
    const { members, counts, sources } = await arrayFrame(options, data, counted, context)
    const masks = perSplit(split => readMasks(matrix, members[split], classes, options.ignore))

    const width = 3 * classes + 2
    const metrics = segmentationMetrics(classes, where)
    return {
      name: options.name,
      counts,
      defaultMetric: 'dice',
      metric: spec => pickMetric(metrics, spec, where),
      measure: async (runner, split, examples) => {
        const values = new Float64Array(examples.length * width)
        await runExamples(runner, sources[split], examples, [output], ([found], first, count) => {
          requirePixels(found!, classes, pixels, output, context)
          for (let i = 0; i < count; i++) {
            const truth = masks[split].subarray(examples[first + i]! * pixels, (examples[first + i]! + 1) * pixels)
            countPixels(found!, i, classes, truth, values, (first + i) * width)
          }
        })
        return { examples, width, values }
      },
    }
  },
}

/** Classes with background: two where the graph has the foreground's logit alone. */
function classCount(name: string, { where, outputs, classes: asked }: TaskContext): number {
  const output = outputs.find(value => value.name === name)
  if (output === undefined) throw unknownName(where, 'output', name, outputs)
  if (output.shape !== undefined && output.shape.length !== 4)
    throw new EvaluatorError(
      `${where}: graph output ${show(name)} must have shape [batch, classes, height, width]; it has ${output.shape.length} dimensions.`,
    )
  const channels = output.shape?.[1]
  const classes = typeof channels === 'number' ? Math.max(2, channels) : asked
  if (classes === undefined)
    throw new ConfigError(`${where}: the graph does not fix how many classes ${show(name)} has.`, {
      hint: 'Set "classes".',
    })
  if (classes > 200) throw new ConfigError(`${where}: ${classes} classes; at most 200 are counted.`)
  return classes
}

function requirePixels(
  { dims }: OutputArray,
  classes: number,
  pixels: number,
  name: string,
  { graph }: TaskContext,
): void {
  const channels = dims[1]!
  if (
    dims.length === 4 &&
    (channels === classes || (channels === 1 && classes === 2)) &&
    dims[2]! * dims[3]! === pixels
  )
    return
  throw new EvaluatorError(
    `Output ${show(name)} of ${graph} must have shape [batch, ${classes}, height, width] with ${pixels} pixels, as the masks have; it has [${dims.join(', ')}].`,
  )
}

function readMasks(matrix: Matrix, members: Int32Array, classes: number, ignore: number | undefined): Uint8Array {
  const pixels = sizeOf(matrix.shape)
  const masks = new Uint8Array(members.length * pixels)
  members.forEach((record, i) => {
    for (let k = 0; k < pixels; k++) {
      const value = matrix.value(record, k)
      const isClass = Number.isInteger(value) && value >= 0 && value < classes
      if (!isClass && value !== ignore)
        throw new FormatError(
          `${matrix.where(record, k)}: a class from 0 to ${classes - 1} is required, found ${show(value)}.`,
        )
      masks[i * pixels + k] = value === ignore ? IGNORED : value
    }
  })
  return masks
}

/**
 * What every metric is made of, per image: for each class the pixels that are it and are said to be, that are said to be, that are; then
 * the pixels that count, and their cross-entropy in nats, a sum. Ties go to the lowest class.
 */
export function countPixels(
  { dims, data }: OutputArray,
  image: number,
  classes: number,
  truth: Uint8Array,
  facts: Float64Array,
  at: number,
): void {
  const channels = dims[1]!
  const pixels = truth.length
  const from = image * channels * pixels
  let [counted, nats] = [0, 0]
  for (let p = 0; p < pixels; p++) {
    const own = truth[p]!
    if (own === IGNORED) continue
    counted++
    let best = 0
    if (channels === 1) {
      const z = data[from + p]!
      best = z > 0 ? 1 : 0
      const margin = own === 1 ? z : -z
      nats += Math.max(-margin, 0) + Math.log1p(Math.exp(-Math.abs(margin)))
    } else {
      let max = data[from + p]!
      for (let c = 1; c < channels; c++) {
        const z = data[from + c * pixels + p]!
        if (z > max) [max, best] = [z, c]
      }
      let sum = 0
      for (let c = 0; c < channels; c++) sum += Math.exp(data[from + c * pixels + p]! - max)
      nats += Math.log(sum) - (data[from + own * pixels + p]! - max)
    }
    if (best === own) facts[at + 3 * own]!++
    facts[at + 3 * best + 1]!++
    facts[at + 3 * own + 2]!++
  }
  facts[at + 3 * classes] = counted
  facts[at + 3 * classes + 1] = nats
}

/** Facts as {@link countPixels} leaves them. NaN logits make the cross-entropy NaN, and with it every score of the image. */
export function segmentationMetrics(
  classes: number,
  where: string,
): Readonly<Record<string, (spec: MetricSpec) => TaskMetric>> {
  const broken = (facts: Facts, at: number): boolean => Number.isNaN(facts.values[at + 3 * classes + 1]!)
  /** Classes that a metric is about: the one asked for, or all but the background. */
  const kinds = ({ class: only, metric }: MetricSpec): readonly number[] => {
    if (only === undefined) return Array.from({ length: classes - 1 }, (_, c) => c + 1)
    if (only < classes) return [only]
    throw new ConfigError(`${where}: ${metric} asks for class ${only}; there are 0 to ${classes - 1}.`)
  }
  type Overlap = (both: number, said: number, own: number) => number
  const dice: Overlap = (both, said, own) => (2 * both) / (said + own)
  const iou: Overlap = (both, said, own) => both / (said + own - both)
  /** Mean over the classes that an image has or is said to have; 1 where there is none of them. */
  const ofImage =
    (overlap: Overlap, of: readonly number[]) =>
    (facts: Facts): Float32Array =>
      scoresOf(facts, at => {
        if (broken(facts, at)) return Number.NaN
        let [sum, held] = [0, 0]
        for (const c of of) {
          const [both, said, own] = [0, 1, 2].map(j => facts.values[at + 3 * c + j]!)
          if (said! + own! === 0) continue
          sum += overlap(both!, said!, own!)
          held++
        }
        return held === 0 ? 1 : sum / held
      })
  /** Mean over the classes of the overlap of all images' pixels together. */
  const ofAll =
    (overlap: Overlap, of: readonly number[]) =>
    (facts: Facts): number => {
      let [sum, held] = [0, 0]
      for (const c of of) {
        const totals = [0, 0, 0]
        for (let i = 0; i < facts.examples.length; i++)
          for (let j = 0; j < 3; j++) totals[j]! += facts.values[i * facts.width + 3 * c + j]!
        if (totals[1]! + totals[2]! === 0) continue
        sum += overlap(totals[0]!, totals[1]!, totals[2]!)
        held++
      }
      for (let i = 0; i < facts.examples.length; i++) if (broken(facts, i * facts.width)) return Number.NaN
      return held === 0 ? 1 : sum / held
    }
  const share = (unit: string, scores: TaskMetric['scores']): TaskMetric => ({
    direction: 'maximize',
    unit,
    reference: 0,
    ideal: 1,
    perExample: { low: 0, high: 1 },
    scores,
  })
  const together = (unit: string, overlap: Overlap, of: readonly number[]): TaskMetric => {
    const { perExample: _, ...metric } = share(unit, ofImage(overlap, of))
    return { ...metric, value: ofAll(overlap, of) }
  }
  return {
    dice: spec => share('mean of the images’ Dice, 0..1', ofImage(dice, kinds(spec))),
    iou: spec => share('mean of the images’ intersection over union, 0..1', ofImage(iou, kinds(spec))),
    dataset_dice: spec => together('Dice of all pixels, mean of the classes, 0..1', dice, kinds(spec)),
    dataset_iou: spec => together('intersection over union of all pixels, mean of the classes, 0..1', iou, kinds(spec)),
    pixel_accuracy: () =>
      share('mean of the images’ share of right pixels, 0..1', facts =>
        scoresOf(facts, at => {
          if (broken(facts, at)) return Number.NaN
          let right = 0
          for (let c = 0; c < classes; c++) right += facts.values[at + 3 * c]!
          const counted = facts.values[at + 3 * classes]!
          return counted === 0 ? 1 : right / counted
        }),
      ),
    negative_log_likelihood: () => ({
      direction: 'minimize',
      unit: 'nats/pixel',
      reference: Math.log(classes),
      ideal: 0,
      perExample: { low: 0 },
      scores: facts =>
        scoresOf(facts, at => {
          const counted = facts.values[at + 3 * classes]!
          return counted === 0 ? 0 : facts.values[at + 3 * classes + 1]! / counted
        }),
    }),
  }
}
