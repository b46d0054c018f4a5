import { TERM_BYTES } from '../layout.ts'
import type { Cut, Selection } from './cuts.ts'
import type { TaskVectorMethod } from './stream-tensor.ts'
import type { TileFrame } from './tile-frame.ts'

// As in `kernel/assembly/thin.ts` and `mix.ts`.
const ALL = 0
const RANKS = 1
const SUM = 0
const ELECT = 1
const ELECT_NORMALIZED = 2
/** Bits above every magnitude, and a position behind every element. */
const NONE = 0x7fffffff
/** The kernel keeps task vectors of so many models in registers. */
const MODELS_LIMIT = 4

/** One side of a selection, and how many of the elements on it are still to come that lie above. */
interface Bound {
  readonly bits: number
  left: number
}

/**
 * Task vectors thinned by magnitude and mixed in one pass of the kernel that candidates have, chunk by chunk, with the bits of masks
 * and `addElected` or `addAll`. The kernel takes a bound as a magnitude and the position of the last element that has it and is above; a cut is a magnitude
 * and how many such elements there are, so where some are above and some below they are counted off.
 */
export class CutTerms {
  readonly #frame: TileFrame
  readonly #at: number
  readonly #method: TaskVectorMethod
  readonly #view: DataView
  readonly #bounds: readonly { readonly low: Bound; readonly high: Bound }[]
  /** Inputs that no count of magnitudes has looked at. */
  readonly #unseen: readonly number[]

  /**
   * @param at address of {@link cutTermsBytes} bytes
   * @returns undefined where masks are needed: what is kept is random, scaled, or told apart in float64 only
   */
  static of(
    frame: TileFrame,
    at: number,
    method: TaskVectorMethod,
    selections: readonly (Selection | undefined)[],
    scales: readonly number[],
  ): CutTerms | undefined {
    const { models } = method
    const clear = (cut: Cut | undefined) => cut === undefined || cut.exact < 0
    const fits = models.every(
      ({ thinning: { kind } }, m) =>
        scales[m] === 1 &&
        (kind === 'none' || (kind === 'largest' && clear(selections[m]?.low) && clear(selections[m]?.high))),
    )
    return fits && models.length <= MODELS_LIMIT ? new CutTerms(frame, at, method, selections) : undefined
  }

  private constructor(
    frame: TileFrame,
    at: number,
    method: TaskVectorMethod,
    selections: readonly (Selection | undefined)[],
  ) {
    this.#frame = frame
    this.#at = at
    this.#method = method
    this.#view = new DataView(frame.bytes.buffer, at, method.models.length * TERM_BYTES)
    this.#bounds = selections.map(selection => ({
      low: boundOf(selection?.low, { bits: 0, left: Number.POSITIVE_INFINITY }),
      high: boundOf(selection?.high, { bits: NONE, left: 0 }),
    }))
    const unseen = method.models.flatMap(({ input }, m) =>
      selections[m]?.low === undefined && selections[m]?.high === undefined ? [input] : [],
    )
    this.#unseen = unseen.length === method.models.length ? [0, ...unseen] : unseen
    for (const [m, { input, weight, thinning }] of method.models.entries()) {
      const term = m * TERM_BYTES
      this.#view.setUint32(term, frame.at(input), true)
      this.#view.setInt32(term + 12, thinning.kind === 'none' ? ALL : RANKS, true)
      this.#view.setFloat32(term + 16, weight, true)
    }
  }

  /**
   * Computes the next chunk; they must come in order.
   * @param weights address of a float32 for each model
   * @param work address of `block` bytes for each model
   * @returns the bits of the largest magnitude
   */
  mix(weights: number, work: number, block: number, count: number, whole: number): number {
    const frame = this.#frame
    const { elect, normalize, lambda, models } = this.#method
    for (const input of this.#unseen) frame.requireFinite(input, whole)
    for (const [m, { low, high }] of this.#bounds.entries()) {
      const { input } = models[m]!
      this.#view.setInt32(m * TERM_BYTES + 20, low.bits, true)
      this.#view.setInt32(m * TERM_BYTES + 24, this.#lastAbove(low, input, count), true)
      this.#view.setInt32(m * TERM_BYTES + 28, high.bits, true)
      this.#view.setInt32(m * TERM_BYTES + 32, this.#lastAbove(high, input, count), true)
    }
    return frame.kernel.taskVectorPass(
      frame.out,
      frame.at(0),
      this.#at,
      weights,
      models.length,
      elect ? (normalize ? ELECT_NORMALIZED : ELECT) : SUM,
      elect ? lambda : 1,
      0,
      work,
      block,
      0,
      0,
      whole * 4,
    )
  }

  /** Position in the chunk of the last element on the bound that is above it. */
  #lastAbove(bound: Bound, input: number, count: number): number {
    if (bound.left === Number.POSITIVE_INFINITY) return NONE
    if (bound.left <= 0) return -1
    const [x, base] = [this.#frame.at(input), this.#frame.at(0)]
    const found = this.#frame.kernel.findEqual(x, base, bound.bits, bound.left, count)
    // 0 is the first element's position, or says that there are none.
    if (found > 0 || (found === 0 && this.#isFirst(bound.bits, x, base))) {
      bound.left = 0
      return found
    }
    bound.left += found
    return NONE
  }

  #isFirst(bits: number, x: number, base: number): boolean {
    const { f32 } = this.#frame
    const difference = Float32Array.of(Math.abs(f32[x / 4]! - f32[base / 4]!))
    return new Uint32Array(difference.buffer)[0] === bits
  }
}

export function cutTermsBytes(models: number): number {
  return models * TERM_BYTES
}

function boundOf(cut: Cut | undefined, none: Bound): Bound {
  if (cut === undefined) return { ...none }
  return { bits: cut.threshold, left: cut.all ? Number.POSITIVE_INFINITY : cut.equalAbove }
}
