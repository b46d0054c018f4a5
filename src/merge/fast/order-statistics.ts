import type { SharedTensor } from '../sources.ts'
import type { Ranking } from './ranking.ts'
import { type Bench, stretchesOf } from './tiles.ts'

/** An element of a task vector by its rank: bits of its magnitude |x − W0| as float32, and its position. */
export interface Ranked {
  readonly bits: number
  readonly position: number
}

/** Up to this many elements a tensor's magnitudes are kept sorted. */
export const SORTED_UP_TO = 1 << 14
/** A key of the sorted ones is bits · POSITIONS + (POSITIONS − 1 − position): among equals later positions come first. */
const POSITIONS = 1 << 20
const UPPERS = 1 << 16
const LOWERS = 1 << 15
const KEPT_LIMIT = 1 << 16

/**
 * Elements of task vectors by exact rank, in the order of `operators/order.ts` on float32 magnitudes: equal ones by position, the first
 * counting as larger. Of large tensors a {@link Ranking} says the position where it is kept. Else magnitudes are counted by the upper half
 * of the bits once; a rank then costs a pass over base and model, and the rest of one where equal magnitudes are to be told apart. Ranks
 * that were asked for are remembered.
 */
export class OrderStatistics {
  readonly #benches: readonly Bench[]
  readonly #ranking: Ranking
  readonly #sorted = new Map<string, Float64Array>()
  /** By tensor and models: how many magnitudes have upper bits of at least `from + i`. */
  readonly #uppers = new Map<string, { readonly from: number; readonly atLeast: Float64Array }>()
  readonly #known = new Map<string, Ranked>()

  constructor(benches: readonly Bench[], ranking: Ranking) {
    this.#benches = benches
    this.#ranking = ranking
  }

  /**
   * @param t position of the tensor
   * @param rank 0 for the smallest, below the number of elements
   */
  at(tensor: SharedTensor, t: number, base: number, source: number, rank: number): Ranked {
    const where = `${t} ${base} ${source}`
    if (tensor.elements <= SORTED_UP_TO) {
      const key = this.#sort(tensor, where, base, source)[rank]!
      const bits = Math.floor(key / POSITIONS)
      return { bits, position: POSITIONS - 1 - (key - bits * POSITIONS) }
    }
    const key = `${where} ${rank}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const position = this.#ranking.position({ tensor, t, base, source }, rank)
    const found =
      position === undefined
        ? this.#select(tensor, where, base, source, rank)
        : { bits: this.#bitsAt(tensor.stretches[0]!, base, source, position), position }
    if (this.#known.size >= KEPT_LIMIT) this.#known.clear()
    this.#known.set(key, found)
    return found
  }

  #sort(tensor: SharedTensor, where: string, base: number, source: number): Float64Array {
    const known = this.#sorted.get(where)
    if (known !== undefined) return known
    const keys = new Float64Array(tensor.elements)
    const value = new Float32Array(1)
    const bits = new Uint32Array(value.buffer)
    for (const { stretch, done } of stretchesOf(tensor)) {
      const { buffer } = this.#benches[stretch.bank]!.tile
      const x = new Float32Array(buffer, stretch.addresses[source]!, stretch.elements)
      const b = new Float32Array(buffer, stretch.addresses[base]!, stretch.elements)
      for (let i = 0; i < x.length; i++) {
        value[0] = Math.abs(x[i]! - b[i]!)
        keys[done + i] = bits[0]! * POSITIONS + (POSITIONS - 1 - (done + i))
      }
    }
    keys.sort()
    this.#sorted.set(where, keys)
    return keys
  }

  #select(tensor: SharedTensor, where: string, base: number, source: number, rank: number): Ranked {
    let nth = tensor.elements - rank // counted from the largest, which is 1
    const { from, atLeast } = this.#countUppers(tensor, where, base, source)
    let u = atLeast.length - 1
    while (atLeast[u]! < nth) u--
    nth -= atLeast[u + 1] ?? 0
    const lowers = this.#count(tensor, LOWERS, (bench, { addresses, elements }) =>
      bench.kernel.countLower(bench.countersAt, addresses[source]!, addresses[base]!, from + u, elements),
    )
    let l = LOWERS - 1
    while (lowers[l]! < nth) nth -= lowers[l--]!
    const bits = ((from + u) << 15) | l
    // The last of the equal ones: all of them are on one side, wherever they lie.
    if (nth === lowers[l]) return { bits, position: tensor.elements - 1 }
    for (const { stretch, done } of stretchesOf(tensor)) {
      const { kernel } = this.#benches[stretch.bank]!
      const { addresses, elements } = stretch
      const position = kernel.findEqual(addresses[source]!, addresses[base]!, bits, nth, elements)
      // 0: "the first element", or "none in this stretch".
      if (position > 0 || (position === 0 && this.#bitsAt(stretch, base, source, 0) === bits)) {
        return { bits, position: done + position }
      }
      nth += position
    }
    return { bits, position: tensor.elements - 1 }
  }

  /** The bits of the magnitude at a position of a stretch. */
  #bitsAt({ bank, addresses }: SharedTensor['stretches'][number], base: number, source: number, at: number): number {
    const { buffer } = this.#benches[bank]!.tile
    const [x] = new Float32Array(buffer, addresses[source]! + at * 4, 1)
    const [b] = new Float32Array(buffer, addresses[base]! + at * 4, 1)
    return new Uint32Array(Float32Array.of(Math.abs(x! - b!)).buffer)[0]!
  }

  #countUppers(tensor: SharedTensor, where: string, base: number, source: number) {
    const known = this.#uppers.get(where)
    if (known !== undefined) return known
    const counts = this.#count(tensor, UPPERS, (bench, { addresses, elements }) =>
      bench.kernel.countUpper(bench.countersAt, addresses[source]!, addresses[base]!, elements),
    )
    const from = counts.findIndex(count => count > 0)
    const end = counts.findLastIndex(count => count > 0) + 1
    const atLeast = counts.slice(from, end)
    for (let u = atLeast.length - 2; u >= 0; u--) atLeast[u]! += atLeast[u + 1]!
    const made = { from, atLeast }
    this.#uppers.set(where, made)
    return made
  }

  /** Counters of a kernel over all stretches. */
  #count(
    tensor: SharedTensor,
    size: number,
    count: (bench: Bench, stretch: SharedTensor['stretches'][number]) => void,
  ): Float64Array {
    const total = new Float64Array(size)
    for (const { stretch } of stretchesOf(tensor)) {
      const bench = this.#benches[stretch.bank]!
      const counters = new Uint32Array(bench.tile.buffer, bench.countersAt, size).fill(0)
      count(bench, stretch)
      for (let k = 0; k < size; k++) total[k]! += counters[k]!
    }
    return total
  }
}
