import { z } from 'zod'
import { nonDominatedSort } from '../archive/dominance.ts'
import type { CandidateId, Genome } from '../candidate.ts'
import { decodeFloat64, encodeFloat64 } from '../numerics/float-codec.ts'
import type { ToldTrial } from './strategy.ts'

/** One told trial as a model-based strategy keeps it. */
export interface Observation {
  /** Negative for trials of earlier runs. */
  readonly id: CandidateId
  readonly genome: Genome
  /** Shape (m,), all finite; `undefined`: failed. */
  readonly losses: readonly number[] | undefined
}

export const observationsSchema = z.strictObject({
  asked: z.number().int().nonnegative(),
  told: z.number().int().nonnegative(),
  ids: z.array(z.number().int()), // of the kept trials, ascending
  genomes: z.string(), // (k, d)
  losses: z.string(), // (k, m), a row of NaN: failed
  pendingIds: z.array(z.number().int()),
  pendingGenomes: z.string(),
})
export type ObservationsState = z.infer<typeof observationsSchema>

/**
 * What a model-based strategy knows: the trials told and the candidates still out, both in ask order, whatever the order of tells.
 *
 * {@link limit} bounds the trials kept, so that neither memory nor time per proposal grows with the length of a run. When a quarter
 * more have come in, those kept are the best half (by loss; by non-dominated front for several objectives, newest first inside a
 * front) and the newest of the rest.
 */
export class Observations {
  readonly #d: number
  readonly #m: number
  readonly #limit: number
  #kept: Observation[] = []
  #pending = new Map<CandidateId, Genome>()
  #asked = 0
  #told = 0

  constructor(d: number, m: number, limit: number) {
    this.#d = d
    this.#m = m
    this.#limit = limit
  }

  /** In ask order, those of earlier runs first. */
  get kept(): readonly Observation[] {
    return this.#kept
  }

  /** In ask order. */
  get pending(): readonly Genome[] {
    return [...this.#pending.values()]
  }

  /** Candidates asked for so far: the id of the next one. */
  get asked(): number {
    return this.#asked
  }

  /** Trials told so far, kept or not, those of earlier runs not counted. */
  get told(): number {
    return this.#told
  }

  /** Trials of earlier runs, learned from as if they had been told first. */
  addPrior(trials: readonly ToldTrial[]): void {
    for (const [i, trial] of trials.entries()) this.#insert(i - trials.length, trial)
    this.limit()
  }

  /** Registers the next candidate; the genome is copied. */
  ask(genome: Genome): void {
    this.#pending.set(this.#asked++, genome.slice())
  }

  /** @throws {RangeError} for an id that was not asked for, or told before. */
  tell(trials: readonly ToldTrial[]): void {
    for (const trial of trials) {
      if (!this.#pending.delete(trial.id)) {
        throw new RangeError(`Expected the id of a candidate asked for and not yet told, got ${trial.id}.`)
      }
      this.#told++
      this.#insert(trial.id, trial)
    }
  }

  /** Forgets what is too much. Call it before a proposal: after a tell, the order of tells would matter. */
  limit(): void {
    if (this.#kept.length < Math.ceil(1.25 * this.#limit) + 1) return
    const best = new Set(bestFirst(this.#kept).slice(0, Math.ceil(this.#limit / 2)))
    let room = this.#limit - best.size
    for (let i = this.#kept.length - 1; i >= 0 && room > 0; i--) {
      if (best.has(i)) continue
      best.add(i)
      room--
    }
    this.#kept = this.#kept.filter((_, i) => best.has(i))
  }

  snapshot(): ObservationsState {
    const pending = [...this.#pending]
    return {
      asked: this.#asked,
      told: this.#told,
      ids: this.#kept.map(entry => entry.id),
      genomes: pack(
        this.#kept.map(entry => entry.genome),
        this.#d,
      ),
      losses: pack(
        this.#kept.map(entry => entry.losses ?? new Array<number>(this.#m).fill(Number.NaN)),
        this.#m,
      ),
      pendingIds: pending.map(([id]) => id),
      pendingGenomes: pack(
        pending.map(([, genome]) => genome),
        this.#d,
      ),
    }
  }

  /** @throws {RangeError} if the state is of other shapes than (d, m). */
  static restore(state: ObservationsState, d: number, m: number, limit: number): Observations {
    const observations = new Observations(d, m, limit)
    const genomes = unpack(state.genomes, d)
    const losses = unpack(state.losses, m)
    const count = state.ids.length
    if (genomes.length !== count || losses.length !== count) {
      throw new RangeError(`Expected ${count} genomes and losses, got ${genomes.length} and ${losses.length}.`)
    }
    observations.#kept = state.ids.map((id, i) => ({ id, genome: genomes[i]!, losses: allFinite(losses[i]!) }))
    const pending = unpack(state.pendingGenomes, d)
    observations.#pending = new Map(state.pendingIds.map((id, i) => [id, pending[i]!]))
    observations.#asked = state.asked
    observations.#told = state.told
    return observations
  }

  #insert(id: CandidateId, trial: ToldTrial): void {
    const entry = { id, genome: trial.genome.slice(), losses: trial.losses && allFinite(trial.losses) }
    let at = this.#kept.length
    while (at > 0 && this.#kept[at - 1]!.id > id) at--
    this.#kept.splice(at, 0, entry)
  }
}

/** Indices, best first: by loss or by non-dominated front, newest first among equals, failed ones last. */
function bestFirst(observations: readonly Observation[]): number[] {
  const scored: number[] = []
  observations.forEach((entry, i) => {
    if (entry.losses !== undefined) scored.push(i)
  })
  const losses = scored.map(i => observations[i]!.losses!)
  const rank = new Float64Array(observations.length).fill(Number.POSITIVE_INFINITY)
  if (losses[0]?.length === 1) for (const [k, i] of scored.entries()) rank[i] = losses[k]![0]!
  else
    for (const [front, members] of nonDominatedSort(losses).entries()) for (const k of members) rank[scored[k]!] = front
  return observations.map((_, i) => i).sort((a, b) => (rank[a]! < rank[b]! ? -1 : rank[a]! > rank[b]! ? 1 : b - a))
}

function allFinite(losses: ArrayLike<number>): readonly number[] | undefined {
  const values = Array.from(losses)
  return values.every(Number.isFinite) ? values : undefined
}

function pack(rows: readonly ArrayLike<number>[], width: number): string {
  const flat = new Float64Array(rows.length * width)
  for (const [i, row] of rows.entries()) flat.set(row, i * width)
  return encodeFloat64(flat)
}

function unpack(text: string, width: number): Float64Array[] {
  const flat = decodeFloat64(text)
  if (flat.length % width !== 0) throw new RangeError(`Expected rows of ${width} numbers, got ${flat.length} in all.`)
  return Array.from({ length: flat.length / width }, (_, i) => flat.slice(i * width, (i + 1) * width))
}
