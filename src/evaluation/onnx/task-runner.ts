import type { MergedModel } from '../../merge/model.ts'
import type { ExampleRange, Split } from '../evaluator.ts'
import { FactsRoom } from './facts-room.ts'
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
  /** By task. */
  readonly #rooms: readonly FactsRoom[]
  /** 0, 1, 2, …, as far as it was needed: positions in a range are a view of it. */
  #counting = new Int32Array(0)

  constructor(plan: OnnxPlan) {
    this.#plan = plan
    this.#heads = plan.tasks.map(({ head }) => (head === undefined ? undefined : new WithHead(head)))
    this.#rooms = plan.tasks.map(() => new FactsRoom())
  }

  /**
   * Facts of the examples in some ranges, which are ascending and apart. They hold until the task is measured again.
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
    return this.#withModel(model, way, task, runner =>
      this.#plan.tasks[task]!.task.measure(runner, split, this.#positions(ranges), expert, this.#rooms[task]!),
    )
  }

  /** Facts of several sets of examples, one after another: each is run in batches of its own. They are the caller's. */
  async measureEach(
    model: MergedModel,
    way: Way,
    task: number,
    split: Split,
    sets: readonly (readonly ExampleRange[])[],
  ): Promise<TimedFacts> {
    const facts: Facts[] = []
    let runMs = 0
    const started = performance.now()
    await this.#withModel(model, way, task, async runner => {
      const ready = performance.now()
      for (const ranges of sets)
        facts.push(await this.#plan.tasks[task]!.task.measure(runner, split, this.#positions(ranges)))
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

  /** Every position in the ranges. Not to be written to. */
  #positions(ranges: readonly ExampleRange[]): Int32Array {
    const end = Math.max(0, ...ranges.map(range => range.end))
    if (end > this.#counting.length) this.#counting = Int32Array.from({ length: end }, (_, i) => i)
    const parts = ranges.map(range => this.#counting.subarray(range.begin, range.end))
    if (parts.length === 1) return parts[0]!
    const found = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const part of parts) {
      found.set(part, at)
      at += part.length
    }
    return found
  }
}
