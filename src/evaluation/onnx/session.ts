import { availableParallelism } from 'node:os'
import { FormatError } from '../../errors.ts'
import type { MergedModel } from '../../merge/model.ts'
import type { EvaluatorSession, ExampleRange, Scores, SessionChoice, Split } from '../evaluator.ts'
import { rangesToScore, unionOfRanges } from '../example-range.ts'
import { readExpert } from './expert-model.ts'
import { expertRun } from './experts.ts'
import { within } from './facts-range.ts'
import { GraphSession, type Runtime } from './graph-session.ts'
import { KEPT_LIMIT, KeptOutputs } from './kept-outputs.ts'
import { mean } from './metric.ts'
import type { OnnxPlan, PlannedObjective } from './plan.ts'
import { TaskRunner, type Way } from './task-runner.ts'
import type { Facts } from './tasks/task.ts'
import { chooseThreads, noThreadsToSpare, threadsToSpare } from './threads.ts'
import { compareWays } from './trial.ts'
import { chooseWeightsMode, type WeightsChoice, type WeightsMode } from './weights-mode.ts'

/** What a session may take up. */
export interface SessionLimits {
  /** Cores of the machine. */
  readonly cores: number
  /** Sessions that work at once on it, this one included. */
  readonly workers: number
  /** Bytes of experts' outputs that are kept; what goes beyond is computed again for every candidate. */
  readonly keptBytes: number
}

/** @throws {EvaluatorError} when the runtime cannot load a graph */
export async function openOnnxSession(
  plan: OnnxPlan,
  { cores = availableParallelism(), workers = 1, keptBytes = KEPT_LIMIT }: Partial<SessionLimits> = {},
): Promise<OnnxSession> {
  const session = new OnnxSession(plan, await import('onnxruntime-node'), { cores, workers, keptBytes })
  await session.open()
  return session
}

export class OnnxSession implements EvaluatorSession {
  readonly #plan: OnnxPlan
  readonly #runtime: Runtime
  readonly #limits: SessionLimits
  readonly #runner: TaskRunner
  #way: Way
  /** By task and split. */
  readonly #experts = new Map<string, Facts>()
  readonly #kept: KeptOutputs
  /** Of the options that are `auto`, once they are decided. */
  readonly #choices: SessionChoice[] = []
  #isDecided = false

  constructor(plan: OnnxPlan, runtime: Runtime, limits: SessionLimits) {
    this.#plan = plan
    this.#runtime = runtime
    this.#limits = limits
    this.#kept = new KeptOutputs(limits.keptBytes)
    this.#runner = new TaskRunner(plan)
    this.#way = this.#wayWith(
      plan.threads === 'auto' ? 1 : plan.threads,
      plan.weights === 'auto' ? 'inputs' : plan.weights,
    )
  }

  async open(): Promise<void> {
    for (const graph of this.#way.graphs) await graph.open()
  }

  exampleCount(split: Split): readonly number[] {
    return this.#plan.objectives.map(({ task }) => this.#plan.tasks[task]!.task.counts[split])
  }

  choices(): readonly SessionChoice[] {
    return this.#choices
  }

  async score(model: MergedModel, split: Split, ranges?: readonly ExampleRange[]): Promise<Scores> {
    const asked = rangesToScore(ranges, this.exampleCount(split))
    if (!this.#isDecided) await this.#decide(model, split)
    const before = this.#inferenceMs()
    const facts: (Facts | undefined)[] = this.#plan.tasks.map(() => undefined)
    for (const [task] of this.#plan.tasks.entries()) {
      const needed = asked.filter((_, i) => this.#plan.objectives[i]!.task === task)
      const beside = this.#comparesOutputs(task, asked)
        ? expertRun(this.#plan, task, this.#runtime, this.#way, this.#kept.rowsOf(`${task}/${split}`))
        : undefined
      if (needed.length > 0)
        facts[task] = await this.#runner.measure(model, this.#way, task, split, unionOfRanges(needed), beside)
    }
    const inferenceMs = this.#inferenceMs() - before
    const experts = await this.#expertFacts(split)
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
    for (const graph of this.#way.graphs) await graph.close()
  }

  /** Facts of the tasks' experts on all examples of a split: computed once, then compared with by every candidate. */
  async #expertFacts(split: Split): Promise<ReadonlyMap<number, Facts>> {
    const found = new Map<number, Facts>()
    for (const { task, metric } of this.#plan.objectives) {
      if (metric.needsExpert !== 'facts' || found.has(task)) continue
      const key = `${task}/${split}`
      let facts = this.#experts.get(key)
      if (facts === undefined) {
        const { counts, expert } = this.#plan.tasks[task]!.task
        const all = [{ begin: 0, end: counts[split] }]
        const measured = await this.#runner.measureEach(readExpert(expert!), this.#way, task, split, [all])
        facts = measured.facts[0]!
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
    return this.#way.graphs.reduce((sum, graph) => sum + graph.inferenceMs, 0)
  }

  #wayWith(threads: number, weights: WeightsMode): Way {
    return { graphs: this.#plan.graphs.map(graph => new GraphSession(graph, this.#runtime, threads)), weights, threads }
  }

  /** Settles what the options leave open, on the first candidate: how weights are given, then how many threads run it that way. */
  async #decide(model: MergedModel, split: Split): Promise<void> {
    const choices: SessionChoice[] = []
    if (this.#plan.weights === 'auto') {
      const choice = await this.#compareWeights(model, split)
      this.#way = { ...this.#way, weights: choice.value }
      if (choice.value === 'inputs') for (const graph of this.#way.graphs) graph.dropPatchable()
      choices.push(choice)
    }
    if (this.#plan.threads === 'auto') choices.push(await this.#compareThreads(model, split))
    this.#choices.push(...choices)
    this.#isDecided = true
  }

  async #compareWeights(model: MergedModel, split: Split): Promise<WeightsChoice> {
    const { graphs } = this.#way
    const onlyWay = (reason: string): WeightsChoice => ({ option: 'weights', value: 'inputs', reason })
    if (graphs.some(graph => !graph.takesInitializers))
      return onlyWay('The only way: the graph takes weights as inputs.')
    try {
      for (const graph of graphs) graph.preparePatchable() // once per worker, not per candidate: not timed
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      return onlyWay(`The only way: ${error.message}`)
    }
    const { firstMs, secondMs, isEqual } = await compareWays(this.#runner, this.#plan, model, split, [
      { ...this.#way, weights: 'inputs' },
      { ...this.#way, weights: 'initializers' },
    ])
    return chooseWeightsMode({ inputsMs: firstMs, initializersMs: secondMs, isEqual })
  }

  /** Leaves the session with the threads that were chosen. */
  async #compareThreads(model: MergedModel, split: Split): Promise<SessionChoice> {
    const { cores, workers } = this.#limits
    const threads = threadsToSpare(this.#limits)
    if (threads === 1) return noThreadsToSpare(cores, workers)
    const one = this.#way
    const several = this.#wayWith(threads, one.weights)
    let kept = one
    try {
      for (const graph of several.graphs) await graph.open()
      if (one.weights === 'initializers') for (const graph of several.graphs) graph.preparePatchable()
      const { firstMs, secondMs, isEqual } = await compareWays(this.#runner, this.#plan, model, split, [one, several])
      const choice = chooseThreads({ threads, oneMs: firstMs, severalMs: secondMs, isEqual })
      if (choice.value !== 1) kept = several
      return choice
    } finally {
      this.#way = kept
      for (const graph of (kept === one ? several : one).graphs) await graph.close()
    }
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
