import type { z } from 'zod'
import type { OnnxValue } from '../../../formats/onnx.ts'
import type { Objective } from '../../../objective.ts'
import type { InputFiles } from '../../data/files.ts'
import type { Split } from '../../evaluator.ts'
import type { FactsRoom } from '../facts-room.ts'
import type { TextOptions } from '../language/text-options.ts'
import type { OnnxInput } from '../options-shared.ts'

/** Element types of graph inputs that can be filled. */
export type InputDtype = 'float32' | 'int32' | 'int64'
export type Elements = Float32Array | Int32Array | BigInt64Array

/** Values of one graph input for the rows of a run: row-major, the first dimension counts the rows. */
export interface InputArray {
  readonly dtype: InputDtype
  readonly dims: readonly number[]
  readonly data: Elements
}

/** A float32 output of a run: row-major. `data` is the run's own. */
export interface OutputArray {
  readonly dims: readonly number[]
  readonly data: Float32Array
}

/** Runs a graph with one model's weights. */
export interface GraphRunner {
  /** Rows of every run where the graph fixes them. */
  readonly fixedRows: number | undefined
  /** At most this many rows in a run. */
  readonly batchSize: number
  /**
   * One run at a time, each with all inputs of the graph.
   * @throws {EvaluatorError} when the runtime fails, or an output is not float32
   */
  run(inputs: ReadonlyMap<string, InputArray>, outputs: readonly string[]): Promise<ReadonlyMap<string, OutputArray>>
}

/** What was measured of some examples: `width` numbers each, row-major, in the order of `examples`. */
export interface Facts {
  /** Positions in the split's order, shape (n,). */
  readonly examples: Int32Array
  readonly width: number
  /** float32 where they are outputs as they are. */
  readonly values: Float32Array | Float64Array
}

/** How an objective is made of facts. */
export interface TaskMetric {
  readonly direction: Objective['direction']
  readonly unit: string
  /** Worst value that is still worth a place on a front. */
  readonly reference: number
  readonly ideal?: number
  /** As in {@link Objective}: only where the value is the mean of the scores. */
  readonly perExample?: Objective['perExample']
  /**
   * Whether it compares with the task's expert, and where: `facts`, its scores with the expert's facts; `outputs`, the facts that it is made
   * of, with what the expert puts out for the same rows.
   */
  readonly needsExpert?: 'facts' | 'outputs'
  /**
   * Shape (n,): the score of each example, in natural units.
   * @param expert facts of all examples of the split under the task's expert, where the metric needs them (`facts`)
   */
  scores(facts: Facts, split: Split, expert?: Facts): Float32Array
  /** Absent: the mean of the scores. */
  value?(facts: Facts, split: Split): number
}

/** Outputs of rows under a task's expert, in memory. Of each row a list of arrays, the same for all rows. */
export interface KeptRows {
  /** `undefined` where they were never computed, or not kept. */
  get(row: number): readonly Float32Array[] | undefined
  /** Keeps a copy if there is room. */
  keep(row: number, outputs: readonly Float32Array[]): void
}

/** A task's expert, to be run beside a candidate. */
export interface ExpertRun {
  /** Of the split that is measured. */
  readonly kept: KeptRows
  /** Runs `work` with the expert's weights in the task's graph. They are read for it: not for rows that are kept. */
  withRunner<T>(work: (runner: GraphRunner) => Promise<T>): Promise<T>
}

/** What an objective asks of a task. */
export interface MetricSpec {
  readonly metric: string
  readonly k?: number | undefined
  readonly class?: number | undefined
}

/** A task whose files were read and checked; no runtime. */
export interface PlannedTask {
  readonly name: string
  /** Number of examples per split. */
  readonly counts: Readonly<Record<Split, number>>
  readonly defaultMetric: string
  /** Checkpoint of the model that the task compares with. */
  readonly expert?: string
  /** @throws {ConfigError} for a metric that the task does not have */
  metric(spec: MetricSpec): TaskMetric
  /**
   * Runs what these examples need. An example's facts are the same bits whichever others are asked for with it.
   * @param examples positions in the split's order, ascending
   * @param expert the task's expert, where a metric compares with its outputs
   * @param room where values may be put; absent: in memory of their own
   */
  measure(runner: GraphRunner, split: Split, examples: Int32Array, expert?: ExpertRun, room?: FactsRoom): Promise<Facts>
}

/** What a task is planned from. */
export interface TaskContext {
  /** Starts messages: the evaluator and the task. */
  readonly where: string
  /** The graph's file, for messages. */
  readonly graph: string
  /** Graph inputs that are no weights. */
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly files: InputFiles
  /** How text is read, as far as the evaluator says it for all its tasks. */
  readonly text: TextOptions | undefined
  /** The evaluator's `inputs`, `output` and `classes`: what holds where a task says nothing. */
  readonly inputOptions: Readonly<Record<string, OnnxInput>>
  readonly output: string
  readonly classes: number | undefined
}

/** One kind of task: what `registry.ts` lists. */
export interface TaskDefinition<Schema extends z.ZodType> {
  readonly kind: string
  readonly options: Schema
  /** The options with every path replaced. */
  mapPaths(options: z.infer<Schema>, change: (path: string) => string): z.infer<Schema>
  /** Reads and checks what the options name. @throws {ConfigError | EvaluatorError | FormatError} */
  plan(options: z.infer<Schema>, context: TaskContext): Promise<PlannedTask>
}
