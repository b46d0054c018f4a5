import { ConfigError, MergeError, show } from '../errors.ts'
import type { Recipe } from '../space/recipe.ts'
import { instantiateKernel, isFiniteResult, type Kernel } from './kernel/load.ts'
import { blockStart, COEFFICIENTS_AT, POINTERS_AT, padded, SCRATCH_BYTES, TILE_AT, TILE_BYTES } from './layout.ts'
import type { KernelPlan, TensorPlan } from './method.ts'
import type { MergedModel, TensorView } from './model.ts'
import { OperatorTensors, operatorKey } from './operator-tensors.ts'
import { planTensors } from './plan.ts'
import type { SharedSources, SharedTensor } from './sources.ts'

/** Builds candidates in memory, one at a time. */
export interface Merger {
  /**
   * The merged float tensors. The views belong to the merger: they are valid, and must not be written to, until the next call, which
   * computes again only what the next recipe changes.
   * @throws {ConfigError | MergeError} on recipes that cannot be merged; the merger stays usable
   */
  merge(recipe: Recipe): MergedModel
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

/** The part of a bank that one thread works in. */
interface Scratch {
  readonly kernel: Kernel
  readonly at: number
  readonly pointers: Uint32Array
  readonly coefficients: Float32Array
  readonly tile: Float32Array
}

/** A tensor of the result and the plan that it holds, if any. */
interface Output {
  readonly tensor: SharedTensor
  readonly data: Float32Array
  holds: string | undefined
}

class TileMerger implements Merger {
  readonly #ids: readonly string[]
  readonly #tensors: readonly SharedTensor[]
  readonly #scratch: readonly Scratch[]
  readonly #outputs: readonly Output[]
  readonly #model: MergedModel
  readonly #operators: OperatorTensors

  constructor({ ids, banks, tensors }: SharedSources, threadIndex: number) {
    this.#ids = ids
    this.#tensors = tensors
    this.#scratch = banks.map(memory => {
      const at = threadIndex * SCRATCH_BYTES
      return {
        kernel: instantiateKernel(memory),
        at,
        pointers: new Uint32Array(memory.buffer, at + POINTERS_AT, ids.length),
        coefficients: new Float32Array(memory.buffer, at + COEFFICIENTS_AT, ids.length),
        tile: new Float32Array(memory.buffer, at + TILE_AT, TILE_BYTES / 4),
      }
    })
    this.#outputs = tensors.map(tensor => ({ tensor, data: new Float32Array(tensor.elements), holds: undefined }))
    this.#operators = new OperatorTensors(tensors, (source, t) => gather(banks, tensors[t]!, source))
    const views = this.#outputs.map(({ tensor: { name, shape }, data }): [string, TensorView] => [
      name,
      { dtype: 'float32', shape, data },
    ])
    this.#model = { tensors: new Map(views) }
  }

  merge(recipe: Recipe): MergedModel {
    const plans = planTensors(recipe, this.#ids, this.#tensors)
    for (const [t, output] of this.#outputs.entries()) {
      const sections = plans[t]!.map(({ begin, end, plan }) => ({
        begin,
        end,
        plan: withoutZeroDeltas(plan, output.tensor.twinOf),
      }))
      const key = sections.map(({ end, plan }) => `${end} ${planKey(plan)}`).join('|')
      if (output.holds === key) continue
      output.holds = undefined // what is written below is no plan's result before it is complete
      for (const { begin, end, plan } of sections) {
        if (plan.kernel === 'operator') output.data.set(this.#operators.merge(plan, t))
        else this.#compute(plan, begin, end, output)
      }
      output.holds = key
    }
    return this.#model
  }

  /** Kernels work on whole blocks: at the rim of a section they compute more elements than are copied. */
  #compute({ kernel: name, base, terms }: KernelPlan, begin: number, end: number, { tensor, data }: Output): void {
    let done = 0
    for (const { bank, elements, addresses } of tensor.stretches) {
      const [from, to] = [Math.max(begin - done, 0), Math.min(end - done, elements)]
      if (from < to) {
        const { kernel, at, pointers, coefficients, tile } = this.#scratch[bank]!
        for (const [j, { source, coefficient }] of terms.entries()) {
          pointers[j] = addresses[source]!
          coefficients[j] = coefficient
        }
        const [out, table, weights] = [at + TILE_AT, at + POINTERS_AT, at + COEFFICIENTS_AT]
        const last = padded(to) * 4
        for (let offset = blockStart(from) * 4; offset < last; offset += TILE_BYTES) {
          const bytes = Math.min(TILE_BYTES, last - offset)
          const largest =
            name === 'linear'
              ? kernel.linear(out, table, weights, terms.length, offset, bytes)
              : kernel.taskArithmetic(out, addresses[base!]!, table, weights, terms.length, offset, bytes)
          const origin = offset / 4
          const [first, count] = [Math.max(from - origin, 0), Math.min(to - origin, tile.length)]
          const part = first === 0 && count === tile.length ? tile : tile.subarray(first, count)
          if (!isFiniteResult(largest) && !part.every(Number.isFinite)) throw notFinite(tensor.name)
          data.set(part, done + origin + first)
        }
      }
      done += elements
    }
  }
}

/** A source's tensor out of its stretches. */
function gather(banks: SharedSources['banks'], { stretches, elements }: SharedTensor, source: number): Float64Array {
  const whole = new Float64Array(elements)
  let done = 0
  for (const { bank, elements: count, addresses } of stretches) {
    whole.set(new Float32Array(banks[bank]!.buffer, addresses[source]!, count), done)
    done += count
  }
  return whole
}

export function notFinite(name: string): MergeError {
  return new MergeError(`The merge has a NaN or an infinity in tensor ${show(name)}.`, {
    hint: 'The coefficients are too large for float32; bound them.',
  })
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
