import type { OperatorPlan } from '../method.ts'
import { OperatorTensors } from '../operator-tensors.ts'
import type { SharedSources, SharedTensor } from '../sources.ts'
import { Statistics } from '../statistics.ts'
import { mergeExactly, readShared } from './exact.ts'
import { mergeGramSum } from './gram.ts'
import { mergeByImportance } from './importance.ts'
import { KeptGrams } from './kept-grams.ts'
import { mergePreparedSum, mergeSourceSum } from './linear.ts'
import { Passes } from './pass.ts'
import { Prepared } from './prepared.ts'
import type { Bench, Target } from './tiles.ts'
import type { Job, Workshop } from './work.ts'

/** Positions of elements are 32-bit integers in the kernels. */
const ELEMENTS_LIMIT = 2 ** 31

/** Tensors of candidates by operators: in one float32 pass where the operator has a plan for that, else as they are written to files. */
export class Candidates {
  readonly #shop: Workshop
  readonly #passes: Passes
  readonly #statistics: Statistics

  constructor(shared: SharedSources, benches: readonly Bench[], threadIndex: number) {
    const { ids, tensors, prepared, threads } = shared
    const statistics = new Statistics(ids, shared.statistics)
    const memory = new Prepared(prepared, threadIndex, threads)
    this.#statistics = statistics
    const operators = new OperatorTensors(
      tensors,
      (source, t, begin, count) => gather(benches, tensors[t]!, source, begin, count),
      new KeptGrams(statistics, tensors, benches, memory),
    )
    this.#shop = { tensors, benches, operators, prepared: memory, statistics }
    this.#passes = new Passes(this.#shop)
  }

  /** @throws {ConfigError | MergeError} where the tensor's statistics are missing that the operator needs */
  requireStatistics(plan: OperatorPlan, t: number): void {
    this.#shop.operators.measurementOf(plan, t)
  }

  /**
   * To be called when a candidate is whole, or has failed: closes what was opened for it.
   * @param verify whether files that were read from are still the same. @throws {FormatError} where they are not
   */
  release(verify: boolean): void {
    try {
      if (verify) this.#statistics.verifyUnchanged()
    } finally {
      this.#statistics.close()
    }
  }

  /** @throws {MergeError} on numbers that cannot be merged with, and on results that are not finite */
  merge(plan: OperatorPlan, t: number, target: Target): void {
    const tensor = this.#shop.tensors[t]!
    const { candidate, needs } = plan.operator
    const job: Job = { plan, t, tensor, target }
    if (candidate === undefined || tensor.elements >= ELEMENTS_LIMIT) this.exactly(plan, t, target)
    else if (this.#isUnchanged(job)) target.data.set(gather(this.#shop.benches, tensor, plan.base!, 0, tensor.elements))
    else if (needs !== undefined && this.#shop.operators.measurementOf(plan, t) === undefined) this.#unmeasured(job)
    else if (candidate.kind === 'prepared') mergePreparedSum(this.#shop, candidate, job)
    else if (candidate.kind === 'gram') mergeGramSum(this.#shop, candidate, job)
    else if (candidate.kind === 'pass') {
      const { name, shape, elements } = tensor
      const pass = candidate.pass(plan.settings, { name, shape, elements, ids: plan.ids })
      if (pass === undefined) this.exactly(plan, t, target)
      else this.#passes.merge(job, pass)
    } else if (candidate.kind === 'importance') {
      const importance = candidate.importance(plan.settings)
      if (importance === undefined || !mergeByImportance(this.#shop, importance, job)) this.exactly(plan, t, target)
    } else this.exactly(plan, t, target)
  }

  #unmeasured(job: Job): void {
    const { plan, t, target } = job
    const coefficients = plan.operator.unmeasured?.(plan.settings, plan.sources.length)
    if (coefficients?.every(Number.isFinite)) mergeSourceSum(this.#shop, coefficients, job)
    else this.exactly(plan, t, target)
  }

  /** As `mergeExactly`. */
  exactly(plan: OperatorPlan, t: number, target: Target): void {
    mergeExactly(this.#shop, plan, t, target)
  }

  /** No model changed the base here: what every operator that needs one returns then. */
  #isUnchanged({ plan: { operator, base, sources }, tensor: { twinOf } }: Job): boolean {
    return operator.base === 'required' && sources.every(source => twinOf[source] === twinOf[base!])
  }
}

/** Elements [begin, begin + count) of a source's tensor. */
function gather(
  benches: readonly Bench[],
  tensor: SharedTensor,
  source: number,
  begin: number,
  count: number,
): Float64Array {
  const values = new Float32Array(count)
  readShared(benches, tensor, source, begin * 4, new Uint8Array(values.buffer))
  return new Float64Array(values)
}
