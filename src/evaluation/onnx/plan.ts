import { ConfigError, nearest, show } from '../../errors.ts'
import { type OnnxModel, type OnnxValue, parseOnnxModel } from '../../formats/onnx.ts'
import { addGraphOutputs } from '../../formats/onnx-rewrite.ts'
import type { Objective } from '../../objective.ts'
import type { InputFiles } from '../data/files.ts'
import { digestNames, type GraphNames, graphNames } from './graph-names.ts'
import { checkHead, type HeadSource, requireHead } from './heads.ts'
import { expectedWeights, type MatchOptions, type WeightSlot, weightSlots } from './match.ts'
import type { OnnxOptions } from './options.ts'
import { TASKS } from './tasks/registry.ts'
import type { PlannedTask, TaskMetric } from './tasks/task.ts'

/** A graph to run; plain data. */
export interface PlannedGraph {
  /** Its file, for messages. */
  readonly file: string
  readonly bytes: Uint8Array
  readonly model: OnnxModel
  readonly match: MatchOptions
  /** What may take a merged tensor, by name. */
  readonly slots: ReadonlyMap<string, WeightSlot>
  /** What the models call its weights, where they call them otherwise. */
  readonly names: GraphNames | undefined
  readonly batchSize: number
  /** The batch dimension where the graph fixes it. */
  readonly fixedRows: number | undefined
}

/** One objective: a metric of one task. */
export interface PlannedObjective {
  readonly task: number // index into the tasks
  readonly metric: TaskMetric
  readonly objective: Objective
}

/** Everything a session needs, checked; plain data and functions, no runtime. */
export interface OnnxPlan {
  readonly batchSize: number
  readonly weights: OnnxOptions['weights']
  readonly threads: OnnxOptions['threads']
  readonly graphs: readonly PlannedGraph[]
  readonly tasks: readonly {
    readonly task: PlannedTask
    readonly graph: number
    readonly head: HeadSource | undefined
  }[]
  readonly objectives: readonly PlannedObjective[]
}

/**
 * Reads every file that the options name and checks that all fits together.
 * @throws {ConfigError | EvaluatorError | FormatError}
 */
export async function planOnnx(id: string, options: OnnxOptions, files: InputFiles): Promise<OnnxPlan> {
  const where = `Evaluator ${show(id)}`
  requireDistinctTasks(options, where)
  requireHeads(options, where)
  const graphs = new Map<string, PlannedGraph>()
  const tasks: OnnxPlan['tasks'][number][] = []
  for (const task of options.tasks) {
    const file = task.graph ?? options.graph
    // A graph that keeps its head as a constant is another than one that takes heads.
    const key = `${task.head === undefined ? 'own' : 'given'} ${file}`
    const graph = graphs.get(key) ?? (await planGraph(file, task.head === undefined, options, files, where))
    graphs.set(key, graph)
    const own = `${where}, task ${show(task.name)}`
    const head = task.head === undefined ? undefined : { patterns: options.heads!, path: task.head }
    if (options.heads !== undefined) requireHead(options.heads, graph.slots, file, own)
    if (head !== undefined) await checkHead(head, graph.slots, file, files, own)
    const planned = await TASKS.get(task.kind ?? 'classification')!.plan(task, {
      where: own,
      graph: graph.file,
      inputs: graph.model.inputs.filter(input => !graph.slots.has(input.name)),
      outputs: graph.model.outputs,
      files,
      text: options.text,
      inputOptions: options.inputs,
      output: options.output,
      classes: options.classes,
    })
    tasks.push({ task: planned, graph: [...graphs.keys()].indexOf(key), head })
  }
  const objectives = planObjectives(
    options,
    tasks.map(({ task }) => task),
    where,
  )
  const { batch_size: batchSize, weights, threads } = options
  return { batchSize, weights, threads, graphs: [...graphs.values()], tasks, objectives }
}

/** @param ownsHead whether the head is what the graph holds */
async function planGraph(
  file: string,
  ownsHead: boolean,
  options: OnnxOptions,
  files: InputFiles,
  where: string,
): Promise<PlannedGraph> {
  const heads = ownsHead ? (options.heads ?? []) : []
  const match = { constants: [...options.constants, ...heads], ignored: options.ignored_tensors }
  const tasks = options.tasks.filter(
    task => (task.graph ?? options.graph) === file && (task.head === undefined) === ownsHead,
  )
  const filled = new Set([options.inputs, ...tasks.map(inputsOf)].flatMap(inputs => Object.keys(inputs)))
  const own = await files.readGraph(file, `${where}: graph`, found =>
    expectedWeights(weightSlots(parseOnnxModel(found, file), filled), match, file),
  )
  const inside = tasks.flatMap(task => ('hidden' in task && task.hidden !== undefined ? [task.hidden] : []))
  const bytes = addGraphOutputs(own, inside, file)
  const model = parseOnnxModel(bytes, file)
  const slots = weightSlots(model, filled)
  if (options.weights === 'initializers' && [...slots.values()].some(({ isInput }) => isInput))
    throw new ConfigError(`${where}: ${file} takes weights as inputs, but weights is "initializers".`, {
      hint: 'Leave "weights" out, or export the graph with its weights inside.',
    })
  const free = model.inputs.filter(input => !slots.has(input.name))
  const fixedRows = batchDimension(free, options, where)
  const origin = options.exported_from
  if (origin !== undefined) await digestNames(file, origin, files, `${where}: exported_from`)
  const names = origin === undefined ? undefined : graphNames(file, origin, slots, match)
  return { file, bytes, model, match, slots, names, batchSize: options.batch_size, fixedRows }
}

/** The inputs a task fills from its data, where it says so. */
function inputsOf(task: OnnxOptions['tasks'][number]): object {
  return 'inputs' in task ? (task.inputs ?? {}) : {}
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

function requireHeads({ heads, exported_from, tasks }: OnnxOptions, where: string): void {
  const stray = tasks.find(({ head }) => head !== undefined)
  if (heads === undefined && stray !== undefined)
    throw new ConfigError(`${where}, task ${show(stray.name)} names a head, and nothing says what belongs to it.`, {
      hint: 'List its tensors, by name or pattern, under "heads" of the evaluator.',
    })
  if (heads !== undefined && exported_from !== undefined)
    throw new ConfigError(
      `${where} has "heads", which are known by name, and "exported_from" for graphs with other names.`,
      {
        hint: 'Name the weights of the graphs as the models do.',
      },
    )
}

function requireDistinctTasks(options: OnnxOptions, where: string): void {
  const names = options.tasks.map(task => task.name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new ConfigError(`${where} has two tasks named ${show(twice)}.`)
}

function planObjectives(
  options: OnnxOptions,
  tasks: readonly PlannedTask[],
  where: string,
): readonly PlannedObjective[] {
  const names = tasks.map(task => task.name)
  const specs: NonNullable<OnnxOptions['objectives']> =
    options.objectives ?? tasks.map(task => ({ task: task.name, metric: task.defaultMetric }))
  const planned: PlannedObjective[] = []
  for (const spec of specs) {
    const index = names.indexOf(spec.task)
    const task = tasks[index]
    if (task === undefined) {
      const near = nearest(spec.task, names)
      throw new ConfigError(
        `${where}: an objective names the task ${show(spec.task)}; there are ${names.join(', ')}.`,
        near === undefined ? {} : { hint: `Did you mean ${show(near)}?` },
      )
    }
    const metric = task.metric(spec)
    const { direction, unit, ideal, perExample } = metric
    const name = spec.name ?? objectiveName(task, spec.metric)
    if (planned.some(({ objective }) => objective.name === name))
      throw new ConfigError(`${where} has two objectives named ${show(name)}.`)
    const objective: Objective = {
      name,
      direction,
      unit,
      reference: spec.reference ?? metric.reference,
      ...(ideal === undefined ? {} : { ideal }),
      ...(perExample === undefined ? {} : { perExample }),
    }
    planned.push({ task: index, metric, objective })
  }
  return planned
}

function objectiveName({ name, defaultMetric }: PlannedTask, metric: string): string {
  if (metric === defaultMetric) return name
  return metric === 'negative_log_likelihood' ? `${name}_nll` : `${name}_${metric}`
}
