import { FormatError } from '../../errors.ts'
import type { MergedModel } from '../../merge/model.ts'
import type { EvaluatorSession, ExampleRange, Scores, Split } from '../evaluator.ts'
import { rangesToScore, unionOfRanges } from '../example-range.ts'
import { readExpert } from './expert-model.ts'
import { expertRun } from './experts.ts'
import { within } from './facts-range.ts'
import { GraphSession, type Runtime } from './graph-session.ts'
import { WithHead } from './heads.ts'
import { KEPT_LIMIT, KeptOutputs } from './kept-outputs.ts'
import { mean } from './metric.ts'
import type { OnnxPlan, PlannedObjective } from './plan.ts'
import type { ExpertRun, Facts } from './tasks/task.ts'
import { chooseWeightsMode, type OnnxDiagnostics, type WeightsMode } from './weights-mode.ts'

/** Batches per task that the comparison of the two ways runs, besides one to warm up. */
const TRIAL_BATCHES = 4

/**
 * @param keptLimit bytes of experts' outputs that the session keeps; what goes beyond is computed again for every candidate
 * @throws {EvaluatorError} when the runtime cannot load a graph
 */
export async function openOnnxSession(plan: OnnxPlan, keptLimit = KEPT_LIMIT): Promise<OnnxSession> {
  const session = new OnnxSession(plan, await import('onnxruntime-node'), keptLimit)
  await session.open()
  return session
}

export class OnnxSession implements EvaluatorSession {
  readonly #plan: OnnxPlan
  /** In the order of the plan's graphs. */
  readonly #graphs: readonly GraphSession[]
  /** By task; `undefined` where it is run with all of the merged model. */
  readonly #heads: readonly (WithHead | undefined)[]
  /** By task and split. */
  readonly #experts = new Map<string, Facts>()
  readonly #runtime: Runtime
  readonly #kept: KeptOutputs
  #diagnostics: OnnxDiagnostics

  constructor(plan: OnnxPlan, runtime: Runtime, keptLimit: number) {
    this.#plan = plan
    this.#runtime = runtime
    this.#kept = new KeptOutputs(keptLimit)
    this.#graphs = plan.graphs.map(graph => new GraphSession(graph, runtime))
    this.#heads = plan.tasks.map(({ head }) => (head === undefined ? undefined : new WithHead(head)))
    this.#diagnostics =
      plan.weights === 'auto'
        ? { weights: 'undecided', reason: 'No candidate has been scored yet.' }
        : { weights: plan.weights, reason: 'Set by the option "weights".' }
  }

  async open(): Promise<void> {
    for (const graph of this.#graphs) await graph.open()
  }

  exampleCount(split: Split): readonly number[] {
    return this.#plan.objectives.map(({ task }) => this.#plan.tasks[task]!.task.counts[split])
  }

  diagnostics(): OnnxDiagnostics {
    return this.#diagnostics
  }

  async score(model: MergedModel, split: Split, ranges?: readonly ExampleRange[]): Promise<Scores> {
    const asked = rangesToScore(ranges, this.exampleCount(split))
    if (this.#diagnostics.weights === 'undecided') {
      this.#diagnostics = await this.#compare(model, split)
      if (this.#diagnostics.weights === 'inputs') for (const graph of this.#graphs) graph.dropPatchable()
    }
    const mode = this.#diagnostics.weights === 'initializers' ? 'initializers' : 'inputs'
    const before = this.#inferenceMs()
    const facts: (Facts | undefined)[] = this.#plan.tasks.map(() => undefined)
    for (const [task] of this.#plan.tasks.entries()) {
      const needed = asked.filter((_, i) => this.#plan.objectives[i]!.task === task)
      const beside = this.#comparesOutputs(task, asked)
        ? expertRun(this.#plan, task, this.#runtime, mode, this.#kept.rowsOf(`${task}/${split}`))
        : undefined
      if (needed.length > 0) facts[task] = await this.#measure(model, mode, task, split, unionOfRanges(needed), beside)
    }
    const inferenceMs = this.#inferenceMs() - before
    const experts = await this.#expertFacts(mode, split)
    const results = this.#plan.objectives.map((objective, i) =>
      scoreObjective(objective, within(facts[objective.task]!, asked[i]!), split, experts.get(objective.task)),
    )
    return {
      values: results.map(({ value }) => value),
      exampleScores: results.map(({ scores }) => scores),
      inferenceMs,
    }
  }

  async close(): Promise<void> {
    for (const graph of this.#graphs) await graph.close()
  }

  /** Facts of the tasks' experts on all examples of a split: computed once, then compared with by every candidate. */
  async #expertFacts(mode: WeightsMode, split: Split): Promise<ReadonlyMap<number, Facts>> {
    const found = new Map<number, Facts>()
    for (const { task, metric } of this.#plan.objectives) {
      if (metric.needsExpert !== 'facts' || found.has(task)) continue
      const key = `${task}/${split}`
      let facts = this.#experts.get(key)
      if (facts === undefined) {
        const { counts, expert } = this.#plan.tasks[task]!.task
        facts = await this.#measure(readExpert(expert!), mode, task, split, [{ begin: 0, end: counts[split] }])
        this.#experts.set(key, facts)
      }
      found.set(task, facts)
    }
    return found
  }

  /** Whether the task's expert has to be there when examples are measured. */
  #comparesOutputs(task: number, asked: readonly ExampleRange[]): boolean {
    return this.#plan.objectives.some(
      (objective, i) =>
        objective.task === task && objective.metric.needsExpert === 'outputs' && asked[i]!.begin < asked[i]!.end,
    )
  }

  #inferenceMs(): number {
    return this.#graphs.reduce((sum, graph) => sum + graph.inferenceMs, 0)
  }

  #measure(
    model: MergedModel,
    mode: WeightsMode,
    task: number,
    split: Split,
    ranges: readonly ExampleRange[],
    expert?: ExpertRun,
  ): Promise<Facts> {
    const { task: planned, graph } = this.#plan.tasks[task]!
    const examples = Int32Array.from(
      ranges.flatMap(({ begin, end }) => Array.from({ length: end - begin }, (_, i) => begin + i)),
    )
    const whole = this.#heads[task]?.model(model) ?? model
    return this.#graphs[graph]!.withModel(whole, mode, runner => planned.measure(runner, split, examples, expert))
  }

  /** Scores the first examples both ways. */
  async #compare(model: MergedModel, split: Split): Promise<OnnxDiagnostics> {
    if (this.#graphs.some(graph => !graph.takesInitializers))
      return { weights: 'inputs', reason: 'The only way: the graph takes weights as inputs.' }
    try {
      for (const graph of this.#graphs) graph.preparePatchable() // once per worker, not per candidate: not timed
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      return { weights: 'inputs', reason: `The only way: ${error.message}` }
    }
    const used = [...new Set(this.#plan.objectives.map(({ task }) => task))]
    let [inputsMs, initializersMs, isEqual] = [0, 0, true]
    for (const task of used) {
      const count = this.#plan.tasks[task]!.task.counts[split]
      const trial = [{ begin: 0, end: Math.min(count, TRIAL_BATCHES * this.#plan.batchSize) }]
      const scale = count / trial[0]!.end
      await this.#measure(model, 'inputs', task, split, [{ begin: 0, end: 1 }]) // the first run allocates
      const started = performance.now()
      const fed = await this.#measure(model, 'inputs', task, split, trial)
      const between = performance.now()
      const built = await this.#measure(model, 'initializers', task, split, trial)
      const ended = performance.now()
      // Building the session is a part of a candidate's cost that does not grow with the examples.
      const buildMs = await this.#buildMs(model, task)
      inputsMs += (between - started) * scale
      initializersMs += buildMs + Math.max(0, ended - between - buildMs) * scale
      isEqual &&= sameBits(fed.values, built.values)
    }
    return chooseWeightsMode({ inputsMs, initializersMs, isEqual })
  }

  async #buildMs(model: MergedModel, task: number): Promise<number> {
    const started = performance.now()
    const whole = this.#heads[task]?.model(model) ?? model
    await this.#graphs[this.#plan.tasks[task]!.graph]!.withModel(whole, 'initializers', async () => undefined)
    return performance.now() - started
  }
}

function scoreObjective(
  { metric }: PlannedObjective,
  facts: Facts,
  split: Split,
  expert: Facts | undefined,
): { readonly value: number; readonly scores: Float32Array } {
  const scores = metric.scores(facts, split, expert)
  return { value: metric.value === undefined ? mean(scores) : metric.value(facts, split), scores }
}

function sameBits(a: Float64Array, b: Float64Array): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: Float64Array): Buffer =>
    Buffer.from(buffer, byteOffset, byteLength)
  return bytes(a).equals(bytes(b))
}
