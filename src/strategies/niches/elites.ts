import { z } from 'zod'
import type { CandidateId, Genome, JsonValue } from '../../candidate.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import type { ToldTrial } from '../strategy.ts'

/** The best candidate of a cell. */
export interface Elite {
  readonly id: CandidateId
  readonly genome: Genome
  readonly losses: readonly number[] // shape (m,)
  /** Smaller is better. */
  readonly cost: number
}

const stateSchema = z.array(
  z.strictObject({
    cell: z.number().int(),
    id: z.number().int(),
    genome: z.string(),
    losses: z.string(),
    cost: z.number(),
  }),
)

/** One elite per cell (J.-B. Mouret, J. Clune, "Illuminating search spaces by mapping elites", 2015). Of equals the first stays. */
export class Elites {
  readonly #cells = new Map<number, Elite>()

  offer(cell: number, trial: ToldTrial, losses: readonly number[], cost: number): void {
    const elite = this.#cells.get(cell)
    if (elite !== undefined && elite.cost <= cost) return
    this.#cells.set(cell, { id: trial.id, genome: trial.genome.slice(), losses: [...losses], cost })
  }

  get size(): number {
    return this.#cells.size
  }

  /** In the order in which cells were first reached. */
  all(): readonly Elite[] {
    return [...this.#cells.values()]
  }

  snapshot(): JsonValue {
    return [...this.#cells].map(([cell, { id, genome, losses, cost }]) => ({
      cell,
      id,
      genome: encodeFloat64(genome),
      losses: encodeFloat64(Float64Array.from(losses)),
      cost,
    }))
  }

  restore(state: JsonValue): void {
    this.#cells.clear()
    for (const { cell, id, genome, losses, cost } of stateSchema.parse(state)) {
      this.#cells.set(cell, { id, genome: decodeFloat64(genome), losses: [...decodeFloat64(losses)], cost })
    }
  }
}
