import type { SharedTensor } from '../sources.ts'
import type { Prepared } from './prepared.ts'
import type { Bench } from './tiles.ts'

/** A task vector: of a tensor, between a base and a model. */
export interface Vector {
  readonly tensor: SharedTensor
  /** Position of the tensor. */
  readonly t: number
  readonly base: number
  readonly source: number
}

/** As in `assembly/rank-sort.ts`. */
const STEP = 1024
const SCRATCH = 9 << 16
/** How often something is computed by a pass before it is prepared: sorting takes as long as some sixty of them, and a search asks for hundreds. */
const PATIENCE = 3

/**
 * Positions of task vectors by rank of their magnitude, and sums over ranks, kept once per machine beside the sources: what needs a pass without
 * them is read off. They are made for vectors of which ranks are asked for again and again, where the arena has room to spare.
 */
export class Ranking {
  readonly #benches: readonly Bench[]
  readonly #prepared: Prepared
  readonly #asked = new Map<string, number>()

  constructor(benches: readonly Bench[], prepared: Prepared) {
    this.#benches = benches
    this.#prepared = prepared
  }

  /** The position of a rank, 0 for the smallest. @returns undefined where that is not kept */
  position(vector: Vector, rank: number): number | undefined {
    return this.#with(vector, ({ tile }, at) => new Uint32Array(tile.buffer, at, vector.tensor.elements)[rank]!)
  }

  /** Sum of the magnitudes of ranks [begin, end), in float64. @returns undefined where that is not kept */
  sum(vector: Vector, begin: number, end: number): number | undefined {
    const { tensor, base, source } = vector
    return this.#with(vector, ({ tile, kernel }, at) => {
      const partial = new Float64Array(tile.buffer, at + positionBytes(tensor.elements), partials(tensor.elements))
      const [{ addresses }] = tensor.stretches as [SharedTensor['stretches'][number]]
      const below = (rank: number) => {
        const from = rank - (rank % STEP)
        return partial[from / STEP]! + kernel.sumRanks(at, addresses[source]!, addresses[base]!, from, rank)
      }
      return below(end) - below(begin)
    })
  }

  #with<T>({ tensor, t, base, source }: Vector, use: (bench: Bench, at: number) => T): T | undefined {
    const [stretch, more] = tensor.stretches
    if (stretch === undefined || more !== undefined) return undefined // ranks across banks are found by passes
    const { bank, addresses, elements } = stretch
    const bench = this.#benches[bank]!
    const key = `ranking ${t} ${base} ${source}`
    const asked = this.#asked.get(key) ?? 0
    if (asked <= PATIENCE) this.#asked.set(key, asked + 1)
    const build = (at: number) => {
      const [partial, scratch] = [at + positionBytes(elements), at + rankingBytes(elements)]
      bench.kernel.sortPositions(at, partial, addresses[source]!, addresses[base]!, elements, scratch)
    }
    return this.#prepared.borrowSpare(
      bank,
      key,
      rankingBytes(elements),
      positionBytes(elements) + SCRATCH,
      asked < PATIENCE ? undefined : build,
      at => use(bench, at),
    )
  }
}

function positionBytes(elements: number): number {
  return Math.ceil(elements / 16) * 64
}

function partials(elements: number): number {
  return Math.floor(elements / STEP) + 1
}

/** Of the positions and sums of one task vector. */
export function rankingBytes(elements: number): number {
  return positionBytes(elements) + Math.ceil(partials(elements) / 8) * 64
}
