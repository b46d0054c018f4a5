import { ConfigError } from '../errors.ts'
import type { Recipe } from '../space/recipe.ts'
import { Candidates } from './fast/candidates.ts'
import { type Bench, createBenches, fillStretch, stretchesOf, type Target } from './fast/tiles.ts'
import type { KernelPlan, TensorPlan } from './method.ts'
import type { MergedModel, TensorView } from './model.ts'
import { operatorKey } from './operator-tensors.ts'
import { planTensors, type Section } from './plan.ts'
import type { SharedSources, SharedTensor } from './sources.ts'

/** Builds candidates in memory, one at a time. */
export interface Merger {
  /**
   * The merged float tensors. The views belong to the merger: they are valid, and must not be written to, until the next call, which
   * computes again only what the next recipe changes.
   * @throws {ConfigError | MergeError} on recipes that cannot be merged; the merger stays usable
   */
  merge(recipe: Recipe, options?: MergeOptions): MergedModel
}

export interface MergeOptions {
  /**
   * Operators as models are written to files, instead of by their float32 passes: a file of float32 has the very same bits. Slower.
   * Weighted sums of the sources are the same either way.
   */
  readonly exact?: boolean
}

/**
 * One merger per thread: it computes tiles in the scratch region of its thread and copies each, while it is in the cache, to its own
 * ordinary buffers, because onnxruntime-node refuses views of shared memory.
 * @param threadIndex 0..threadCount-1; two mergers with one index would overwrite each other's tiles
 * @param threadCount how many mergers share the sources
 */
export function createMerger(shared: SharedSources, threadIndex: number, threadCount = threadIndex + 1): Merger {
  if (threadCount > shared.threads) {
    throw new ConfigError(
      `The sources were loaded for at most ${shared.threads} threads, and ${threadCount} want to merge.`,
    )
  }
  if (!Number.isInteger(threadIndex) || threadIndex < 0 || threadIndex >= threadCount) {
    throw new RangeError(`Thread index ${threadIndex} is not one of 0..${threadCount - 1}.`)
  }
  return new TileMerger(shared, threadIndex)
}

/** A tensor of the result and the plan that it holds, if any. */
interface Output extends Target {
  readonly tensor: SharedTensor
  holds: string | undefined
}

class TileMerger implements Merger {
  readonly #ids: readonly string[]
  readonly #tensors: readonly SharedTensor[]
  readonly #benches: readonly Bench[]
  readonly #outputs: readonly Output[]
  readonly #model: MergedModel
  readonly #candidates: Candidates

  constructor(shared: SharedSources, threadIndex: number) {
    const { ids, tensors } = shared
    this.#ids = ids
    this.#tensors = tensors
    this.#benches = createBenches(shared, threadIndex)
    this.#candidates = new Candidates(shared, this.#benches, threadIndex)
    this.#outputs = tensors.map(tensor => ({
      tensor,
      name: tensor.name,
      data: new Float32Array(tensor.elements),
      holds: undefined,
    }))
    const views = this.#outputs.map(({ tensor: { name, shape }, data }): [string, TensorView] => [
      name,
      { dtype: 'float32', shape, data },
    ])
    this.#model = { tensors: new Map(views) }
  }

  merge(recipe: Recipe, { exact = false }: MergeOptions = {}): MergedModel {
    const plans = planTensors(recipe, this.#ids, this.#tensors)
    for (const [t, sections] of plans.entries()) {
      for (const { plan } of sections) if (plan.kernel === 'operator') this.#candidates.requireStatistics(plan, t)
    }
    let whole = false
    try {
      this.#fill(plans, exact)
      whole = true
    } finally {
      this.#candidates.release(whole)
    }
    return this.#model
  }

  #fill(plans: readonly (readonly Section[])[], exact: boolean): void {
    for (const [t, output] of this.#outputs.entries()) {
      const sections = plans[t]!.map(({ begin, end, plan }) => ({
        begin,
        end,
        plan: withoutZeroDeltas(plan, output.tensor.twinOf),
      }))
      const isExact = exact && sections.some(({ plan }) => plan.kernel === 'operator')
      const key = `${isExact ? 'exact ' : ''}${sections.map(({ end, plan }) => `${end} ${planKey(plan)}`).join('|')}`
      if (output.holds === key) continue
      output.holds = undefined // what is written below is no plan's result before it is complete
      for (const { begin, end, plan } of sections) {
        if (plan.kernel !== 'operator') this.#compute(plan, begin, end, output)
        else if (exact) this.#candidates.exactly(plan, t, output)
        else this.#candidates.merge(plan, t, output)
      }
      output.holds = key
    }
  }

  #compute({ kernel: name, base, terms }: KernelPlan, begin: number, end: number, output: Output): void {
    for (const { stretch, done } of stretchesOf(output.tensor)) {
      const { bank, elements, addresses } = stretch
      const [from, to] = [Math.max(begin - done, 0), Math.min(end - done, elements)]
      if (from >= to) continue
      const bench = this.#benches[bank]!
      const { kernel, tileAt, pointers, pointersAt, coefficients, coefficientsAt } = bench
      for (const [j, { source, coefficient }] of terms.entries()) {
        pointers[j] = addresses[source]!
        coefficients[j] = coefficient
      }
      fillStretch(bench, from, to, done, output, (offset, bytes) =>
        name === 'linear'
          ? kernel.linear(tileAt, pointersAt, coefficientsAt, terms.length, offset, bytes)
          : kernel.taskArithmetic(tileAt, addresses[base!]!, pointersAt, coefficientsAt, terms.length, offset, bytes),
      )
    }
  }
}

/**
 * Leaves out the sources that are bit for bit the base in this tensor: they add exactly nothing, and an unchanged embedding need not be
 * read. The kernel keeps the base's bits where the deltas add up to zero, so the result is the same bits.
 */
function withoutZeroDeltas(plan: TensorPlan, twinOf: readonly number[]): TensorPlan {
  if (plan.kernel !== 'task-arithmetic' || plan.base === undefined) return plan
  const { kernel, base, terms } = plan
  const left = terms.filter(({ source }) => twinOf[source] !== twinOf[base])
  if (left.length === terms.length) return plan
  if (left.length > 0) return { kernel, base, terms: left }
  return { kernel: 'linear', base: undefined, terms: [{ source: base, coefficient: 1 }] }
}

function planKey(plan: TensorPlan): string {
  if (plan.kernel === 'operator') return operatorKey(plan)
  const { kernel, base, terms } = plan
  return `${kernel} ${base} ${terms.map(({ source, coefficient }) => `${source}:${coefficient}`).join(' ')}`
}
