import type { MergedModel } from '../../merge/model.ts'
import type { ExampleRange, Split } from '../evaluator.ts'
import type { GraphSession } from './graph-session.ts'
import { WithHead } from './heads.ts'
import type { OnnxPlan } from './plan.ts'
import type { ExpertRun, Facts, GraphRunner } from './tasks/task.ts'
import type { WeightsMode } from './weights-mode.ts'

/** How a plan's graphs are run. */
export interface Way {
  /** In the order of the plan's graphs. */
  readonly graphs: readonly GraphSession[]
  readonly weights: WeightsMode
  /** Of each session. */
  readonly threads: number
}

/** Facts of several sets of examples, and what they took. */
export interface TimedFacts {
  readonly facts: readonly Facts[]
  /** Milliseconds to give the graph the model's weights and to let go of them again: no more for more examples. */
  readonly weightsMs: number
  /** Milliseconds to measure the sets. */
  readonly runMs: number
}

/** Runs the tasks of a plan with one model after another. */
export class TaskRunner {
  readonly #plan: OnnxPlan
  /** By task; `undefined` where it is run with all of the merged model. */
  readonly #heads: readonly (WithHead | undefined)[]

  constructor(plan: OnnxPlan) {
    this.#plan = plan
    this.#heads = plan.tasks.map(({ head }) => (head === undefined ? undefined : new WithHead(head)))
  }

  /**
   * Facts of the examples in some ranges, which are ascending and apart.
   * @param expert the task's expert, where a metric compares with its outputs
   */
  async measure(
    model: MergedModel,
    way: Way,
    task: number,
    split: Split,
    ranges: readonly ExampleRange[],
    expert?: ExpertRun,
  ): Promise<Facts> {
    const { facts } = await this.measureEach(model, way, task, split, [ranges], expert)
    return facts[0]!
  }

  /** Facts of several sets of examples, one after another: each is run in batches of its own. */
  async measureEach(
    model: MergedModel,
    way: Way,
    task: number,
    split: Split,
    sets: readonly (readonly ExampleRange[])[],
    expert?: ExpertRun,
  ): Promise<TimedFacts> {
    const facts: Facts[] = []
    let runMs = 0
    const started = performance.now()
    await this.#withModel(model, way, task, async runner => {
      const ready = performance.now()
      for (const ranges of sets)
        facts.push(await this.#plan.tasks[task]!.task.measure(runner, split, positions(ranges), expert))
      runMs = performance.now() - ready
    })
    return { facts, weightsMs: performance.now() - started - runMs, runMs }
  }

  #withModel<T>(
    model: MergedModel,
    { graphs, weights }: Way,
    task: number,
    work: (runner: GraphRunner) => Promise<T>,
  ): Promise<T> {
    const whole = this.#heads[task]?.model(model) ?? model
    return graphs[this.#plan.tasks[task]!.graph]!.withModel(whole, weights, work)
  }
}

/** Every position in the ranges. */
function positions(ranges: readonly ExampleRange[]): Int32Array {
  const found = new Int32Array(ranges.reduce((sum, { begin, end }) => sum + end - begin, 0))
  let at = 0
  for (const { begin, end } of ranges) for (let position = begin; position < end; position++) found[at++] = position
  return found
}
