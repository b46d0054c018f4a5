import { z } from 'zod'
import type { Genome, JsonValue } from '../../candidate.ts'
import { RunStoreError } from '../../errors.ts'
import { decodeFloat32, decodeFloat64, encodeFloat32, encodeFloat64 } from '../../numerics/float-codec.ts'
import type { Rng } from '../../rng.ts'
import { InitialDesign } from '../initial-design.ts'
import { rngStateSchema } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, ToldTrial } from '../strategy.ts'
import type { Breeding } from './genome-breeding.ts'
import { FOREIGN, type Parent, type Population } from './population.ts'

/**
 * Evolution without generations: first the declared start, known recipes and the sources alone, then a space-filling sample, then one child after
 * another of whoever lives. Trials are taken in between two asks, in id order, so that the order in which they came back does not matter.
 */
export const stateSchema = z.strictObject({
  rng: rngStateSchema,
  asked: z.number().int().nonnegative(),
  pending: z.array(z.number().int()), // asked and not yet told
  waiting: z.array(
    z.strictObject({
      id: z.number().int(),
      genome: z.string(),
      losses: z.string().nullable(),
      examples: z.array(z.string()).nullable(),
    }),
  ), // told and not yet taken in
  population: z.unknown(),
})
export type SteadyState = z.infer<typeof stateSchema>

export interface SteadyParts {
  readonly kind: string
  readonly version: number
  readonly context: StrategyContext
  readonly rng: Rng
  readonly population: Population
  readonly breeding: Breeding
  /** Space-filling candidates before the first child. */
  readonly sample: number
}

export class SteadyStateSearch implements Strategy {
  readonly kind: string
  readonly #parts: SteadyParts
  readonly #design: InitialDesign
  readonly #first: number
  #rng: Rng
  #asked = 0
  #pending = new Set<number>()
  #waiting: ToldTrial[] = []

  constructor(parts: SteadyParts) {
    this.kind = parts.kind
    this.#parts = parts
    this.#rng = parts.rng
    const { domain, guesses = [] } = parts.context
    this.#design = new InitialDesign(domain, [...guesses, ...(domain.anchors ?? [])], parts.rng.split('design'))
    this.#first = this.#design.known + parts.sample
  }

  /** A new search: trials of earlier runs live in its population already. */
  static create(parts: SteadyParts): SteadyStateSearch {
    for (const trial of parts.context.prior ?? []) parts.population.insert({ ...trial, id: FOREIGN })
    return new SteadyStateSearch(parts)
  }

  /** @throws {RunStoreError} if the state is not one of this strategy. */
  static restore(parts: SteadyParts, state: SteadyState, rng: Rng): SteadyStateSearch {
    const search = new SteadyStateSearch(parts)
    search.#rng = rng
    search.#asked = state.asked
    search.#pending = new Set(state.pending)
    search.#waiting = state.waiting.map(decodeTrial)
    try {
      parts.population.restore(state.population as JsonValue) // each population checks its own
    } catch (cause) {
      throw new RunStoreError(`The "${parts.kind}" snapshot is damaged: its population is not one of this strategy.`, {
        cause,
        hint: 'Resume from an earlier snapshot or from the journal alone.',
      })
    }
    return search
  }

  ask(count: number): readonly Proposal[] {
    if (count > 0) this.#takeIn()
    return Array.from({ length: count }, () => {
      this.#pending.add(this.#asked)
      const k = this.#asked++
      if (k < this.#first) return { genome: this.#design.genome(k) }
      const { population, breeding } = this.#parts
      const parents = population.parents(k - this.#first, this.#rng)
      if (parents === undefined) return { genome: this.#stranger(k) }
      const [a, b] = parents
      return { genome: breeding.child(a.genome, b.genome, this.#rng), parents: lineage(a, b) }
    })
  }

  tell(trials: readonly ToldTrial[]): void {
    for (const trial of trials) {
      if (!this.#pending.delete(trial.id)) {
        throw new RangeError(`Expected the id of a candidate asked for and not yet told, got ${trial.id}.`)
      }
      const { id, genome, losses, exampleScores } = trial
      const copy = {
        id,
        genome: genome.slice(),
        losses: losses && [...losses],
        ...(exampleScores && { exampleScores: exampleScores.map(scores => scores.slice()) }),
      }
      this.#waiting.push({ ...copy, parents: [], memo: null })
    }
  }

  stopReason(): undefined {
    return undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    return { ...this.#parts.population.diagnostics(), waiting: this.#waiting.length }
  }

  snapshot(): Snapshot {
    const state: SteadyState = {
      rng: this.#rng.state(),
      asked: this.#asked,
      pending: [...this.#pending].sort((a, b) => a - b),
      waiting: this.#waiting.map(encodeTrial),
      population: this.#parts.population.snapshot(),
    }
    return { kind: this.#parts.kind, version: this.#parts.version, state: state as JsonValue }
  }

  #takeIn(): void {
    for (const trial of this.#waiting.sort((a, b) => a.id - b.id)) this.#parts.population.insert(trial)
    this.#waiting = []
  }

  /** While too few live: a child of two known genomes where pieces of models are searched, else the next point of the sample. */
  #stranger(k: number): Genome {
    const { context, breeding } = this.#parts
    const known = this.#design.known
    if (context.domain.pieces === undefined || known < 2) return this.#design.genome(k)
    const first = this.#rng.integer(0, known)
    const second = (first + 1 + this.#rng.integer(0, known - 1)) % known
    return breeding.child(this.#design.genome(first), this.#design.genome(second), this.#rng)
  }
}

function lineage(...parents: readonly Parent[]): number[] {
  return [...new Set(parents.map(parent => parent.id))].filter(id => id !== FOREIGN)
}

function encodeTrial({ id, genome, losses, exampleScores }: ToldTrial): SteadyState['waiting'][number] {
  return {
    id,
    genome: encodeFloat64(genome),
    losses: losses === undefined ? null : encodeFloat64(Float64Array.from(losses)),
    examples: exampleScores?.map(encodeFloat32) ?? null,
  }
}

function decodeTrial({ id, genome, losses, examples }: SteadyState['waiting'][number]): ToldTrial {
  return {
    id,
    genome: decodeFloat64(genome),
    losses: losses === null ? undefined : [...decodeFloat64(losses)],
    ...(examples !== null && { exampleScores: examples.map(decodeFloat32) }),
    parents: [],
    memo: null,
  }
}
