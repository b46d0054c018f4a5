import { z } from 'zod'
import type { CandidateId, Genome, JsonValue } from '../../candidate.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import type { Objective } from '../../objective.ts'
import type { Rng } from '../../rng.ts'
import type { ToldTrial } from '../strategy.ts'
import { type Competition, fitness, shareExamples, weakest } from './competition.ts'
import { fillMissing } from './missing.ts'
import { chooseParents } from './parents.ts'
import type { Parent, Population } from './population.ts'
import { decodeScores, encodeScores } from './score-codec.ts'
import { contest, type ScoreRow, scoreRow } from './score-rows.ts'

interface Member {
  readonly id: CandidateId
  readonly genome: Genome
  readonly row: ScoreRow
}

const stateSchema = z.array(z.strictObject({ id: z.number().int(), genome: z.string(), row: z.array(z.string()) }))

export interface NicheOptions extends Competition {
  /** Members at most, >= 2. */
  readonly size: number
  /** Whether the second parent is chosen for what it adds to the first. */
  readonly attraction: boolean
}

/**
 * The archive of natural niches (Abrantes et al. 2025, algorithm 1): a newcomer joins, all share the examples anew, and who gets least
 * leaves, which may be the newcomer. It starts with those who are there, where the authors' program fills it with zero vectors.
 */
export class NichePopulation implements Population {
  readonly #objectives: readonly Objective[]
  readonly #options: NicheOptions
  #members: Member[] = []
  /** f_ij of the members; `undefined`: to be worked out. */
  #shared: Float64Array | undefined

  constructor(objectives: readonly Objective[], options: NicheOptions) {
    this.#objectives = objectives
    this.#options = options
  }

  insert(trial: ToldTrial): void {
    const row = scoreRow(trial, this.#objectives)
    if (row === undefined) return
    const newcomer = { id: trial.id, genome: trial.genome.slice(), row }
    const all = [...this.#members, newcomer]
    if (all.length > this.#options.size) {
      const out = weakest(fitness(this.#share(all), all.length))
      if (out === all.length - 1) return
      all.splice(out, 1)
    }
    this.#members = all
    this.#shared = undefined
  }

  parents(_turn: number, rng: Rng): readonly [Parent, Parent] | undefined {
    const K = this.#members.length
    if (K < 2) return undefined
    this.#shared ??= this.#share(this.#members)
    const [a, b] = chooseParents(this.#shared, K, this.#options.attraction, rng)
    return [this.#members[a]!, this.#members[b]!]
  }

  snapshot(): JsonValue {
    return this.#members.map(({ id, genome, row }) => ({
      id,
      genome: encodeFloat64(genome),
      row: row.map(encodeScores),
    }))
  }

  restore(state: JsonValue): void {
    this.#members = stateSchema.parse(state).map(({ id, genome, row }) => ({
      id,
      genome: decodeFloat64(genome),
      row: row.map(decodeScores),
    }))
    this.#shared = undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    const K = this.#members.length
    if (K === 0) return { members: 0 }
    this.#shared ??= this.#share(this.#members)
    const f = fitness(this.#shared, K)
    const N = this.#shared.length / K
    let solved = 0
    for (let j = 0; j < N; j++) {
      if (this.#members.some((_, i) => this.#shared![i * N + j]! > 0)) solved++
    }
    return {
      members: K,
      lowestFitness: Math.min(...f),
      highestFitness: Math.max(...f),
      examples: N,
      solvedBySome: solved,
    }
  }

  #share(members: readonly Member[]): Float64Array {
    const { rows, competition } = contest(
      members.map(({ row }) => row),
      this.#options,
    )
    return shareExamples(fillMissing(rows), competition)
  }
}
