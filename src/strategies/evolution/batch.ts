import { z } from 'zod'
import type { CandidateId, Genome } from '../../candidate.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import type { Proposal, ToldTrial } from '../strategy.ts'
import { decodeRows, encodeRows, type Member, memberOf } from './population.ts'

/** A genome on its way to be scored. */
export interface Child {
  readonly genome: Genome
  readonly parents: readonly CandidateId[]
}

export const batchSchema = z.strictObject({
  firstId: z.number().int(),
  genomes: z.string(),
  parents: z.array(z.array(z.number().int())),
  asked: z.number().int(),
  told: z.array(z.number().int()), // positions, ascending
  losses: z.string(), // of those; NaN: failed
})

/** Children proposed one after another and learned from all together, whatever the order in which they come back. */
export class Batch {
  readonly firstId: CandidateId
  readonly children: readonly Child[]
  #asked = 0
  /** By position; `undefined`: failed. */
  #told = new Map<number, Member | undefined>()

  constructor(firstId: CandidateId, children: readonly Child[]) {
    this.firstId = firstId
    this.children = children
  }

  /** The id that the child after the last one will have. */
  get nextId(): CandidateId {
    return this.firstId + this.children.length
  }

  get isComplete(): boolean {
    return this.#told.size === this.children.length
  }

  ask(count: number): Proposal[] {
    const asked = this.children.slice(this.#asked, this.#asked + count)
    this.#asked += asked.length
    return asked.map(({ genome, parents }) => ({ genome: genome.slice(), parents }))
  }

  /** @throws {RangeError} for an id that was not asked for, or was told before. */
  tell(trials: readonly ToldTrial[]): void {
    for (const trial of trials) {
      const position = trial.id - this.firstId
      if (position < 0 || position >= this.#asked || this.#told.has(position))
        throw new RangeError(`Expected the id of a candidate asked for and not yet told, got ${trial.id}.`)
      this.#told.set(position, memberOf({ ...trial, genome: this.children[position]!.genome }))
    }
  }

  /** Per child what became of it; `undefined`: failed, or not told yet. */
  members(): (Member | undefined)[] {
    return this.children.map((_, position) => this.#told.get(position))
  }

  /** @param m number of objectives. */
  snapshot(m: number): z.infer<typeof batchSchema> {
    const told = [...this.#told.keys()].sort((a, b) => a - b)
    const losses = told.flatMap(position => this.#told.get(position)?.losses ?? new Array<number>(m).fill(Number.NaN))
    return {
      firstId: this.firstId,
      genomes: encodeRows(this.children.map(child => child.genome)),
      parents: this.children.map(child => [...child.parents]),
      asked: this.#asked,
      told,
      losses: encodeFloat64(Float64Array.from(losses)),
    }
  }

  /** @param d number of genes. @param m number of objectives. */
  static restore(state: z.infer<typeof batchSchema>, d: number, m: number): Batch {
    const genomes = decodeRows(state.genomes, d)
    const batch = new Batch(
      state.firstId,
      state.parents.map((parents, i) => ({ genome: genomes[i]!, parents })),
    )
    batch.#asked = state.asked
    const losses = decodeFloat64(state.losses, state.told.length * m)
    for (const [i, position] of state.told.entries()) {
      const row = [...losses.subarray(i * m, (i + 1) * m)]
      const member = { id: state.firstId + position, genome: genomes[position]!, losses: row }
      batch.#told.set(position, row.some(Number.isNaN) ? undefined : member)
    }
    return batch
  }
}
