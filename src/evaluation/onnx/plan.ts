import { ConfigError, EvaluatorError, nearest, show } from '../../errors.ts'
import { type OnnxModel, type OnnxValue, parseOnnxModel } from '../../formats/onnx.ts'
import type { Objective } from '../../objective.ts'
import type { InputFiles } from './data.ts'
import { assembleTask, type InputSlot, type TaskExamples } from './examples.ts'
import { expectedWeights, type MatchOptions } from './match.ts'
import { accuracy, type ExampleMetric, negativeLogLikelihood } from './metrics.ts'
import type { OnnxInput, OnnxOptions, OnnxTask } from './options.ts'
import { readTable } from './table.ts'

/** One objective: a metric of one task. */
export interface ScoredMetric {
  readonly task: number // index into the tasks
  readonly metric: ExampleMetric
}

/** Everything a session needs, checked; plain data and functions, no runtime. */
export interface OnnxPlan {
  readonly id: string
  /** The graph's file, for messages. */
  readonly file: string
  readonly graph: Uint8Array
  readonly model: OnnxModel
  readonly match: MatchOptions
  readonly options: OnnxOptions
  readonly classes: number
  /** The graph's batch dimension where it is fixed. */
  readonly fixedBatch: number | undefined
  readonly tasks: readonly TaskExamples[]
  readonly objectives: readonly Objective[]
  /** In the order of the objectives. */
  readonly metrics: readonly ScoredMetric[]
}

/**
 * Reads every file that the options name and checks that all fits together.
 * @throws {ConfigError | EvaluatorError | FormatError}
 */
export async function planOnnx(id: string, options: OnnxOptions, files: InputFiles): Promise<OnnxPlan> {
  const where = `Evaluator ${show(id)}`
  const match = { constants: options.constants, ignored: options.ignored_tensors }
  const graph = await files.readGraph(options.graph, `${where}: graph`, bytes =>
    expectedWeights(parseOnnxModel(bytes, options.graph).initializers, match, options.graph),
  )
  const model = parseOnnxModel(graph, options.graph)
  const free = model.inputs.filter(input => !model.initializers.has(input.name))
  const classes = classCount(model, options, where)
  const fixedBatch = batchDimension(free, options, where)
  const { objectives, metrics } = planObjectives(options, classes, where)
  const tasks: TaskExamples[] = []
  for (const task of options.tasks) tasks.push(await loadTask(task, options, free, classes, files, where))
  return { id, file: options.graph, graph, model, match, options, classes, fixedBatch, tasks, objectives, metrics }
}

/** The number of classes: what the graph fixes, or what the options say. */
function classCount(model: OnnxModel, options: OnnxOptions, where: string): number {
  const output = model.outputs.find(value => value.name === options.output)
  if (output === undefined) throw unknownName(where, 'output', options.output, model.outputs)
  if (output.shape !== undefined && output.shape.length !== 2)
    throw new EvaluatorError(
      `${where}: graph output ${show(output.name)} must have shape [batch, classes]; it has ${output.shape.length} dimensions.`,
    )
  const fixed = output.shape?.[1]
  if (typeof fixed === 'number' && options.classes !== undefined && fixed !== options.classes)
    throw new ConfigError(
      `${where}: classes is ${options.classes}, but graph output ${show(output.name)} has ${fixed}.`,
    )
  const classes = typeof fixed === 'number' ? fixed : options.classes
  if (classes === undefined)
    throw new ConfigError(`${where}: the graph does not fix how many classes ${show(output.name)} has.`, {
      hint: 'Set "classes".',
    })
  return classes
}

function batchDimension(free: readonly OnnxValue[], options: OnnxOptions, where: string): number | undefined {
  const fixed = free.map(input => input.shape?.[0]).filter(dim => typeof dim === 'number')
  if (fixed.length === 0) return undefined
  const batch = fixed[0]!
  if (fixed.some(dim => dim !== batch) || options.batch_size !== batch)
    throw new ConfigError(
      `${where}: the graph has a fixed batch of ${[...new Set(fixed)].join(' and ')}, but batch_size is ${options.batch_size}.`,
      { hint: `Set batch_size: ${batch}, or export the graph with a symbolic batch dimension, which is faster.` },
    )
  return batch
}

async function loadTask(
  task: OnnxTask,
  options: OnnxOptions,
  free: readonly OnnxValue[],
  classes: number,
  files: InputFiles,
  where: string,
): Promise<TaskExamples> {
  const of = `${where}, task ${show(task.name)}`
  const sources = new Map(Object.entries({ ...options.inputs, ...task.inputs }))
  for (const name of sources.keys())
    if (!free.some(input => input.name === name)) throw unknownName(of, 'input', name, free)
  const slots = free.map(input => inputSlot(input, sources.get(input.name), of))

  const numbers = new Map<string, readonly string[]>()
  for (const { name, source } of slots) if (source.columns !== undefined) numbers.set(name, [source.columns].flat())
  const text = [task.label.column, task.split.column].filter(column => column !== undefined)
  const needsTable = numbers.size > 0 || text.length > 0
  if (needsTable !== (task.data !== undefined))
    throw new ConfigError(
      needsTable ? `${of} names columns and needs "data".` : `${of} has "data", but takes nothing from it.`,
    )
  const table =
    task.data === undefined
      ? undefined
      : readTable(await files.readTable(task.data, `${of}: data file`), task.data, { text, numbers })
  const arrays = new Map()
  for (const path of [task.label.npy, task.split.npy, ...slots.map(slot => slot.source.npy)])
    if (path !== undefined) arrays.set(path, await files.readArray(path, `${of}: array`))
  return assembleTask(task, slots, { table, arrays }, classes)
}

function inputSlot(input: OnnxValue, source: OnnxInput | undefined, where: string): InputSlot {
  const { name, dtype, shape } = input
  if (source === undefined)
    throw new ConfigError(`${where}: graph input ${show(name)} has no entry under "inputs".`, {
      hint: 'Say which columns, or which .npy file, fill it.',
    })
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'int64')
    throw new EvaluatorError(
      `${where}: graph input ${show(name)} is ${dtype ?? 'of a type that is not read'}; float32, int32 and int64 can be filled.`,
    )
  return { name, dtype, shape: shape?.slice(1), source }
}

const METRICS = {
  accuracy: {
    metric: accuracy,
    direction: 'maximize',
    unit: 'accuracy, 0..1',
    ideal: 1,
    perExample: { low: 0, high: 1 },
  },
  negative_log_likelihood: {
    metric: negativeLogLikelihood,
    direction: 'minimize',
    unit: 'nats/example',
    ideal: 0,
    perExample: { low: 0 },
  },
} as const

function planObjectives(
  options: OnnxOptions,
  classes: number,
  where: string,
): { readonly objectives: readonly Objective[]; readonly metrics: readonly ScoredMetric[] } {
  const taskNames = options.tasks.map(task => task.name)
  const twice = taskNames.find((name, i) => taskNames.indexOf(name) !== i)
  if (twice !== undefined) throw new ConfigError(`${where} has two tasks named ${show(twice)}.`)
  const specs: NonNullable<OnnxOptions['objectives']> =
    options.objectives ?? taskNames.map(task => ({ task, metric: 'accuracy' }))

  const objectives: Objective[] = []
  const metrics: ScoredMetric[] = []
  for (const spec of specs) {
    const task = taskNames.indexOf(spec.task)
    if (task < 0) {
      const near = nearest(spec.task, taskNames)
      throw new ConfigError(
        `${where}: an objective names the task ${show(spec.task)}; there are ${taskNames.join(', ')}.`,
        {
          ...(near === undefined ? {} : { hint: `Did you mean ${show(near)}?` }),
        },
      )
    }
    const { metric, direction, unit, ideal, perExample } = METRICS[spec.metric]
    const name = spec.name ?? (spec.metric === 'accuracy' ? spec.task : `${spec.task}_nll`)
    if (objectives.some(objective => objective.name === name))
      throw new ConfigError(`${where} has two objectives named ${show(name)}.`)
    // The worst that is still worth a place on a front: no hit at all, or what a guess among all classes scores.
    const reference = spec.reference ?? (spec.metric === 'accuracy' ? 0 : Math.log(classes))
    objectives.push({ name, direction, unit, reference, ideal, perExample })
    metrics.push({ task, metric })
  }
  return { objectives, metrics }
}

function unknownName(where: string, kind: 'input' | 'output', name: string, known: readonly OnnxValue[]): ConfigError {
  const names = known.map(value => value.name)
  const near = nearest(name, names)
  return new ConfigError(`${where}: the graph has no ${kind} ${show(name)}; it has ${show(names.join(', '), 120)}.`, {
    ...(near === undefined ? {} : { hint: `Did you mean ${show(near)}?` }),
  })
}
