import { z } from 'zod'
import type { CandidateId, Genome } from '../../candidate.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import type { Proposal, ToldTrial } from '../strategy.ts'
import { flatten, rows } from './told-data.ts'

/**
 * Why a candidate was proposed: `sample`: for the first fit; `front`: predicted to be on the Pareto front; `uncertain`: the surrogates
 * know least there; `spread`: to cover the space; `variation`: of the best measured ones.
 */
export const ROLES = ['sample', 'front', 'uncertain', 'spread', 'variation'] as const
export type Role = (typeof ROLES)[number]

export interface Planned {
  readonly role: Role
  readonly genome: Genome
  /** Predicted values in the objectives' own direction, shape (m,); `undefined` without a surrogate. */
  readonly predicted?: readonly number[]
}

/** What was measured of one planned candidate. `losses` is `undefined` for a failure. */
export interface Outcome {
  readonly losses: Float64Array | undefined // shape (m,)
  readonly examples: Float64Array // shape (m,), numbers of examples, 0: unknown
}

export const batchSchema = z.strictObject({
  firstId: z.number().int(),
  roles: z.array(z.enum(ROLES)),
  genomes: z.string(), // (q, d)
  predicted: z.string(), // (q, m), NaN: no prediction
  asked: z.number().int(),
  told: z.array(z.number().int()), // positions, ascending
  losses: z.string(), // of those, (t, m), NaN: failed
  examples: z.string(), // of those, (t, m)
})

/** Candidates planned together: handed out one after the other, complete when all have been told. */
export class Batch {
  readonly firstId: CandidateId
  readonly planned: readonly Planned[]
  #asked = 0
  readonly #outcomes = new Map<number, Outcome>()

  constructor(firstId: CandidateId, planned: readonly Planned[]) {
    this.firstId = firstId
    this.planned = planned
  }

  get complete(): boolean {
    return this.#outcomes.size === this.planned.length
  }

  get told(): number {
    return this.#outcomes.size
  }

  next(): Proposal | undefined {
    const planned = this.planned[this.#asked]
    if (planned === undefined) return undefined
    this.#asked++
    const { role, genome, predicted } = planned
    return { genome: genome.slice(), memo: predicted === undefined ? { role } : { role, predicted } }
  }

  /** @throws {RangeError} for an id that was not handed out, or was told before. */
  tell(trial: ToldTrial, outcome: Outcome): void {
    const position = trial.id - this.firstId
    if (position < 0 || position >= this.#asked || this.#outcomes.has(position)) {
      throw new RangeError(`Expected the id of a candidate asked for and not yet told, got ${trial.id}.`)
    }
    this.#outcomes.set(position, outcome)
  }

  outcome(position: number): Outcome {
    return this.#outcomes.get(position)!
  }

  snapshot(m: number): z.infer<typeof batchSchema> {
    const told = [...this.#outcomes.keys()].sort((a, b) => a - b)
    const missing = new Float64Array(m).fill(Number.NaN)
    return {
      firstId: this.firstId,
      roles: this.planned.map(({ role }) => role),
      genomes: encodeFloat64(flatten(this.planned.map(({ genome }) => genome))),
      predicted: encodeFloat64(flatten(this.planned.map(p => Float64Array.from(p.predicted ?? missing)))),
      asked: this.#asked,
      told,
      losses: encodeFloat64(flatten(told.map(position => this.outcome(position).losses ?? missing))),
      examples: encodeFloat64(flatten(told.map(position => this.outcome(position).examples))),
    }
  }

  static restore(state: z.infer<typeof batchSchema>, d: number, m: number): Batch {
    const count = state.roles.length
    const genomes = rows(decodeFloat64(state.genomes, count * d), d)
    const predicted = rows(decodeFloat64(state.predicted, count * m), m)
    const batch = new Batch(
      state.firstId,
      state.roles.map((role, i) => {
        const planned = { role, genome: genomes[i]! }
        return Number.isNaN(predicted[i]![0]) ? planned : { ...planned, predicted: [...predicted[i]!] }
      }),
    )
    batch.#asked = state.asked
    const losses = rows(decodeFloat64(state.losses, state.told.length * m), m)
    const examples = rows(decodeFloat64(state.examples, state.told.length * m), m)
    for (const [i, position] of state.told.entries()) {
      const known = Number.isNaN(losses[i]![0]) ? undefined : losses[i]!
      batch.#outcomes.set(position, { losses: known, examples: examples[i]! })
    }
    return batch
  }
}
