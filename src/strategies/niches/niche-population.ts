import { z } from 'zod'
import type { CandidateId, Genome, JsonValue } from '../../candidate.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import type { Objective } from '../../objective.ts'
import type { Rng } from '../../rng.ts'
import type { ToldTrial } from '../strategy.ts'
import { type Competition, fitness, type ScoreRows, shareExamples, type Worth, weakest } from './competition.ts'
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

/** Scores without gaps, and what they are worth. */
interface Market {
  readonly rows: ScoreRows
  readonly worth: Worth
}

/**
 * The archive of natural niches (Abrantes et al. 2025, algorithm 1): a newcomer joins, all share the examples anew, and who gets least
 * leaves, which may be the newcomer. It starts with those who are there, where the authors' program fills it with zero vectors.
 */
export class NichePopulation implements Population {
  readonly #objectives: readonly Objective[]
  readonly #options: NicheOptions
  #members: Member[] = []
  /** What the members compete for; `undefined`: to be worked out. */
  #market: Market | undefined

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
      const { rows, worth } = this.#compete(all)
      const out = weakest(fitness(rows, worth))
      if (out === all.length - 1) return
      all.splice(out, 1)
    }
    this.#members = all
    this.#market = undefined
  }

  parents(_turn: number, rng: Rng): readonly [Parent, Parent] | undefined {
    if (this.#members.length < 2) return undefined
    this.#market ??= this.#compete(this.#members)
    const { rows, worth } = this.#market
    const [a, b] = chooseParents(rows, worth, this.#options.attraction, rng)
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
    this.#market = undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    const members = this.#members.length
    if (members === 0) return { members }
    this.#market ??= this.#compete(this.#members)
    const { rows, worth } = this.#market
    const f = fitness(rows, worth)
    return {
      members,
      lowestFitness: Math.min(...f),
      highestFitness: Math.max(...f),
      examples: worth.perPoint.length,
      solvedBySome: worth.perPoint.filter(value => value > 0).length,
    }
  }

  #compete(members: readonly Member[]): Market {
    const given = contest(
      members.map(({ row }) => row),
      this.#options,
    )
    const rows = fillMissing(given.rows)
    return { rows, worth: shareExamples(rows, given.competition) }
  }
}
