import { z } from 'zod'
import { ConfigError, EvaluatorError, FormatError, show } from '../../../errors.ts'
import { columnOf } from '../../data/records.ts'
import { SPLITS, type Split } from '../../evaluator.ts'
import {
  arrayInputs,
  arrayMembers,
  arrayTaskShape,
  mapArrayTaskPaths,
  openTaskData,
  reservedColumns,
  runExamples,
} from '../array-task.ts'
import { SPLIT_CELLS } from '../members.ts'
import { pickMetric, scoresOf } from '../metric.ts'
import { averagePrecision } from '../ranks.ts'
import type { Facts, GraphRunner, MetricSpec, TaskDefinition, TaskMetric } from './task.ts'

/**
 * Queries that must find the items of their own label in a gallery, by the embeddings that a graph gives, shape [batch, dimensions].
 * The gallery is embedded anew by every model.
 */
const schema = z
  .strictObject({
    kind: z.literal('retrieval').describe('Queries that must find the items of their own label in a gallery.'),
    ...arrayTaskShape,
    label: z.strictObject({ column: z.string().min(1) }).describe('Column that says which items belong together.'),
    gallery: z
      .strictObject({ column: z.string().min(1), value: z.string().min(1).default('gallery') })
      .describe('Records whose column has this value are the gallery; the others are queries, and have a split.'),
    similarity: z.enum(['cosine', 'dot', 'euclidean']).default('cosine').describe('How near two embeddings are.'),
  })
  .refine(({ split }) => split.npy === undefined, { message: 'The split of queries is given by "column" or "rule".' })

export const retrievalTask: TaskDefinition<typeof schema> = {
  kind: 'retrieval',
  options: schema,
  mapPaths: mapArrayTaskPaths,
  plan: async (options, context) => {
    const { where } = context
    const output = options.output ?? context.output
    const data = await openTaskData(options, context)
    const records = data.requireRecords()
    const labels = columnOf(records, options.label.column).map(cell => String(cell))
    const isGallery = columnOf(records, options.gallery.column).map(cell => String(cell) === options.gallery.value)
    const gallery = Int32Array.from(labels.keys()).filter(record => isGallery[record]!)
    const queries = await queryMembers(options, data, labels, isGallery, context)
    const held = new Set(Array.from(gallery, record => labels[record]!))
    for (const split of SPLITS)
      for (const record of queries[split])
        if (!held.has(labels[record]!))
          throw new FormatError(
            `${records.where(record)}: nothing in the gallery has the query's label ${show(labels[record])}.`,
          )
    // Queries first, the gallery behind them: one list of rows per split.
    const rowsOf = (split: Split): Int32Array => Int32Array.from([...queries[split], ...gallery])
    const rows = { search: rowsOf('search'), select: rowsOf('select'), holdout: rowsOf('holdout') }
    const reserved = new Set([...reservedColumns(options, { column: options.label.column }), options.gallery.column])
    const sources = await arrayInputs(options, data, rows, labels.length, 'records', reserved, context)

    const embed = async (runner: GraphRunner, split: Split, wanted: Int32Array): Promise<Embeddings> => {
      let embeddings: Embeddings | undefined
      await runExamples(runner, sources[split], wanted, [output], ([array], first, count) => {
        const { dims, data: found } = array!
        if (dims.length !== 2)
          throw new EvaluatorError(
            `Output ${show(output)} of ${context.graph} must have shape [batch, dimensions]; it has [${dims.join(', ')}].`,
          )
        const width = dims[1]!
        embeddings ??= { width, values: new Float64Array(wanted.length * width) }
        embeddings.values.set(found.subarray(0, count * width), first * width)
      })
      return embeddings ?? { width: 0, values: new Float64Array(0) }
    }
    const metrics = retrievalMetrics(gallery.length)
    return {
      name: options.name,
      counts: { search: queries.search.length, select: queries.select.length, holdout: queries.holdout.length },
      defaultMetric: 'recall_at_k',
      metric: spec => pickMetric(metrics, spec, where),
      measure: async (runner, split, examples) => {
        const values = new Float64Array(examples.length * 2)
        if (examples.length === 0) return { examples, width: 2, values }
        const own = await embed(runner, split, examples)
        const count = queries[split].length
        const all = await embed(
          runner,
          split,
          Int32Array.from(gallery, (_, i) => count + i),
        )
        examples.forEach((example, i) => {
          const near = similarities(own, i, all, options.similarity)
          const label = labels[queries[split][example]!]!
          const relevant = Array.from(gallery, record => labels[record] === label)
          values[2 * i] = firstRank(near, relevant)
          values[2 * i + 1] = averagePrecision(near, relevant)
        })
        return { examples, width: 2, values }
      },
    }
  },
}

async function queryMembers(
  options: z.infer<typeof schema>,
  data: Awaited<ReturnType<typeof openTaskData>>,
  labels: readonly string[],
  isGallery: readonly boolean[],
  context: Parameters<typeof arrayMembers>[4],
): Promise<Readonly<Record<Split, Int32Array>>> {
  if (!isGallery.includes(true))
    throw new ConfigError(
      `${context.where} has no record whose ${show(options.gallery.column)} is ${show(options.gallery.value)}.`,
    )
  if (options.split.column !== undefined) {
    const cells = columnOf(data.requireRecords(), options.split.column)
    const assigned = cells.map((cell, i) => (isGallery[i] ? undefined : SPLIT_CELLS.get(cell)))
    return arrayMembers(options, data, labels, 'labels', context, assigned)
  }
  // A rule draws among the queries alone.
  const queries = labels.map((_, i) => i).filter(i => !isGallery[i])
  const drawn = await arrayMembers(
    options,
    data,
    queries.map(i => labels[i]!),
    'labels',
    context,
  )
  const back = (split: Split): Int32Array => drawn[split].map(position => queries[position]!)
  return { search: back('search'), select: back('select'), holdout: back('holdout') }
}

interface Embeddings {
  readonly width: number
  readonly values: Float64Array
}

/** Shape (items of the gallery,): larger is nearer. NaN where a number of an embedding is. */
function similarities(
  queries: Embeddings,
  query: number,
  gallery: Embeddings,
  how: 'cosine' | 'dot' | 'euclidean',
): Float64Array {
  const { width } = queries
  const q = queries.values.subarray(query * width, (query + 1) * width)
  const count = gallery.values.length / width
  const result = new Float64Array(count)
  for (let g = 0; g < count; g++) {
    let [dot, qq, gg] = [0, 0, 0]
    for (let k = 0; k < width; k++) {
      const [a, b] = [q[k]!, gallery.values[g * width + k]!]
      dot += a * b
      qq += a * a
      gg += b * b
    }
    const norm = Math.sqrt(qq * gg)
    if (how === 'dot') result[g] = dot
    else if (how === 'euclidean') result[g] = 2 * dot - qq - gg
    else result[g] = norm === 0 ? 0 : dot / norm
  }
  return result
}

/** How many items are as near as the nearest relevant one or nearer, itself not counted. NaN where a similarity is NaN. */
function firstRank(near: Float64Array, relevant: readonly boolean[]): number {
  if (near.some(Number.isNaN)) return Number.NaN
  let best = Number.NEGATIVE_INFINITY
  near.forEach((value, g) => {
    if (relevant[g]) best = Math.max(best, value)
  })
  let rank = 0
  near.forEach((value, g) => {
    if (!relevant[g] && value >= best) rank++ // equally near is not found: a model that maps all to one point finds nothing
  })
  return rank
}

/** Facts: the rank of the first relevant item, from 0, and the average precision. */
export function retrievalMetrics(items: number): Readonly<Record<string, (spec: MetricSpec) => TaskMetric>> {
  const share = (unit: string, of: (facts: Facts, at: number) => number): TaskMetric => ({
    direction: 'maximize',
    unit,
    reference: 0,
    ideal: 1,
    perExample: { low: 0, high: 1 },
    scores: facts => scoresOf(facts, at => of(facts, at)),
  })
  return {
    recall_at_k: ({ k = 1 }) => {
      if (k >= items)
        throw new ConfigError(`recall_at_k with k = ${k} is always 1: the gallery has ${items} items.`, {
          hint: 'Set "k" of the objective.',
        })
      return share(`share of queries that find one of theirs among the nearest ${k}, 0..1`, ({ values }, at) =>
        Number.isNaN(values[at]!) ? Number.NaN : values[at]! < k ? 1 : 0,
      )
    },
    mean_reciprocal_rank: () => share('mean reciprocal rank, 0..1', ({ values }, at) => 1 / (values[at]! + 1)),
    mean_average_precision: () =>
      share('mean of the queries’ average precision, 0..1', ({ values }, at) => values[at + 1]!),
  }
}
