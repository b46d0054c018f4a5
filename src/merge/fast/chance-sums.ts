import { positionKeys } from '../operators/hash-random.ts'
import type { Job, Workshop } from './work.ts'

/** Of smaller tensors a pass takes no longer. */
const ELEMENTS = 1 << 18
const ENTRIES = 1 << 16
const TABLE_BYTES = (ENTRIES + 1) * 8
/** How often a sum is computed by a pass before the table is made. */
const PATIENCE = 3

/**
 * Σ |τ| over the elements whose random number is below a density, from a table of sums kept once per machine: exact, as the elements between two of its
 * entries are found by running the hash backwards.
 */
export class ChanceSums {
  readonly #shop: Workshop
  readonly #asked = new Map<string, number>()

  constructor(shop: Workshop) {
    this.#shop = shop
  }

  /**
   * @param threshold random 32-bit words below it count, up to 2^32
   * @returns undefined where there is no table
   */
  below({ plan, t, tensor }: Job, m: number, threshold: number): number | undefined {
    const [stretch, more] = tensor.stretches
    if (stretch === undefined || more !== undefined || tensor.elements < ELEMENTS) return undefined
    const { bank, addresses, elements } = stretch
    const { kernel, tile } = this.#shop.benches[bank]!
    const [x, base] = [addresses[plan.sources[m]!]!, addresses[plan.base!]!]
    const { key, second } = positionKeys(plan.settings.seed, plan.ids[m]!, tensor.name)
    const name = `chance sums ${t} ${plan.base} ${plan.sources[m]} ${key} ${second}`
    const asked = this.#asked.get(name) ?? 0
    if (asked <= PATIENCE) this.#asked.set(name, asked + 1)
    const build = (at: number) => kernel.chanceSums(at, x, base, key, second, elements)
    return this.#shop.prepared.borrowSpare(bank, name, TABLE_BYTES, 0, asked < PATIENCE ? undefined : build, at => {
      const table = new Float64Array(tile.buffer, at, ENTRIES + 1)
      const entry = Math.floor(threshold / ENTRIES)
      const [begin, end] = [entry * ENTRIES, (entry + 1) * ENTRIES]
      if (threshold === begin) return table[entry]!
      const between = (from: number, to: number) => kernel.chanceSum(x, base, key, second, from, to, elements)
      return threshold - begin <= ENTRIES / 2
        ? table[entry]! + between(begin, threshold)
        : table[entry + 1]! - between(threshold, end)
    })
  }
}

/** Of the table of one task vector, with all that it has; 0 where none is made. */
export function chanceSumsBytes(elements: number): number {
  return elements < ELEMENTS ? 0 : TABLE_BYTES
}
