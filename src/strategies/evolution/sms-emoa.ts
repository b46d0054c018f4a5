import { z } from 'zod'
import { dominates, nonDominatedSort } from '../../archive/dominance.ts'
import { hypervolumeContributions } from '../../archive/hypervolume-contributions.ts'
import type { Genome, JsonValue } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import { type Rng, restoreRng } from '../../rng.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition, ToldTrial } from '../strategy.ts'
import { selectByCrowding } from './crowding.ts'
import { tournamentWinners } from './mating.ts'
import { populationSizeOf, variationOf } from './options.ts'
import {
  decodePopulation,
  decodeRows,
  encodePopulation,
  encodeRows,
  firstGenomes,
  isAmong,
  lineage,
  type Member,
  memberOf,
  populationSchema,
  priorMembers,
} from './population.ts'
import { MOST, type SmsEmoaOptions, smsEmoaDescription } from './sms-emoa-options.ts'
import { randomGenome, type Variation, vary } from './variation.ts'

const KIND = smsEmoaDescription.kind
const VERSION = 1

/** Beyond, the exact contributions take longer than a small model's evaluation. */
const MOST_OBJECTIVES = 6

/**
 * The reference point, in units of the last front's range beyond its worst losses. With 1 the extremes of a front contribute about
 * as much as a gap next to them; with very large values, as some programs have, they drown all other contributions in rounding.
 */
const MARGIN = 1

/** How often a child that exists already is made again before it is accepted. */
const ATTEMPTS = 10

function mostMembers({ objectives }: StrategyContext): number {
  return objectives.length > 2 ? MOST.many : MOST.few
}

const stateSchema = z.strictObject({
  rng: rngStateSchema,
  population: populationSchema,
  arrived: populationSchema,
  first: z.string(), // genomes of the first population, not yet asked for
  asked: z.number().int(),
})

interface State {
  readonly rng: Rng
  readonly population: Member[]
  readonly arrived: Member[]
  readonly first: Genome[]
  readonly asked: number
}

/**
 * SMS-EMOA: a steady state. Every candidate is bred from the population of the moment; every trial told joins it, and the member of
 * the last non-dominated front that adds least hypervolume leaves. So it never waits for a generation, however many evaluations are
 * in flight. What has been told since the last ask joins in order of id.
 */
class SmsEmoa implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #size: number
  readonly #variation: Variation
  readonly #rng: Rng
  #population: Member[]
  #arrived: Member[]
  #first: Genome[]
  #asked: number

  constructor(context: StrategyContext, options: SmsEmoaOptions, state: State) {
    const [d, m] = [context.domain.genes.length, context.objectives.length]
    if (d === 0) throw new ConfigError(`Strategy "${KIND}" needs at least one gene, got none.`)
    if (m > MOST_OBJECTIVES) {
      throw new ConfigError(`Strategy "${KIND}" takes at most ${MOST_OBJECTIVES} objectives, got ${m}.`, {
        hint: 'Use strategy "nsga3".',
      })
    }
    this.#context = context
    this.#size = populationSizeOf(options.population_size, context.budget, mostMembers(context))
    this.#variation = variationOf(options, d)
    this.#rng = state.rng
    this.#population = state.population
    this.#arrived = state.arrived
    this.#first = state.first
    this.#asked = state.asked
  }

  static create(context: StrategyContext, options: SmsEmoaOptions): SmsEmoa {
    const rng = context.rng.split(KIND)
    const size = populationSizeOf(options.population_size, context.budget, mostMembers(context))
    const prior = priorMembers(context)
    const { survivors } = selectByCrowding(
      prior.map(member => member.losses),
      size,
    )
    const population = survivors.map(i => prior[i]!)
    const first = firstGenomes(context, size - population.length, rng)
    return new SmsEmoa(context, options, { rng, population, arrived: [], first, asked: 0 })
  }

  ask(count: number): readonly Proposal[] {
    if (count > 0) this.#learn()
    return Array.from({ length: count }, () => {
      this.#asked++
      const first = this.#first.shift()
      return first === undefined ? this.#breed() : { genome: first }
    })
  }

  tell(trials: readonly ToldTrial[]): void {
    this.#arrived.push(...trials.flatMap(trial => memberOf(trial) ?? []))
    this.#arrived.sort((a, b) => a.id - b.id)
  }

  stopReason(): undefined {
    return undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    return { asked: this.#asked, populationSize: this.#population.length }
  }

  snapshot(): Snapshot {
    const state: JsonValue = {
      rng: { ...this.#rng.state() },
      population: encodePopulation(this.#population),
      arrived: encodePopulation(this.#arrived),
      first: encodeRows(this.#first),
      asked: this.#asked,
    }
    return { kind: KIND, version: VERSION, state }
  }

  static restore(context: StrategyContext, options: SmsEmoaOptions, snapshot: Snapshot): SmsEmoa {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    const [d, m] = [context.domain.genes.length, context.objectives.length]
    return new SmsEmoa(context, options, {
      rng: restoreRng(state.rng),
      population: decodePopulation(state.population, d, m),
      arrived: decodePopulation(state.arrived, d, m),
      first: decodeRows(state.first, d),
      asked: state.asked,
    })
  }

  #learn(): void {
    for (const member of this.#arrived) {
      this.#population.push(member)
      if (this.#population.length > this.#size) this.#population.splice(this.#leastUseful(), 1)
    }
    this.#arrived = []
  }

  #breed(): Proposal {
    const { domain } = this.#context
    if (this.#population.length < 2) return { genome: randomGenome(domain, this.#rng) }
    const seen = this.#population.map(member => member.genome)
    for (let attempt = 1; ; attempt++) {
      const winners = tournamentWinners(this.#population.length, (a, b) => this.#dominates(b, a), this.#rng)
      const mother = this.#population[winners.next().value]!
      const father = this.#population[winners.next().value]!
      const [child] = vary(domain, mother.genome, father.genome, this.#variation, this.#rng)
      if (attempt === ATTEMPTS || !isAmong(child, seen)) return { genome: child, parents: lineage(mother, father) }
    }
  }

  #dominates(a: number, b: number): boolean {
    return dominates(this.#population[a]!.losses, this.#population[b]!.losses)
  }

  /** The reduction of the paper's algorithm 2; of equals the youngest goes. */
  #leastUseful(): number {
    const front = nonDominatedSort(this.#population.map(member => member.losses)).at(-1)!
    if (front.length === 1) return front[0]!
    const contributions = normalizedContributions(front.map(i => this.#population[i]!.losses))
    return front[contributions.reduce((least, v, at) => (v <= contributions[least]! ? at : least), 0)]!
  }
}

/** Hypervolume contributions inside a front, each loss in units of the front's range. */
function normalizedContributions(front: readonly (readonly number[])[]): Float64Array {
  const ideal = front[0]!.map((_, k) => front.reduce((least, point) => Math.min(least, point[k]!), Infinity))
  const nadir = front[0]!.map((_, k) => front.reduce((most, point) => Math.max(most, point[k]!), -Infinity))
  const scaled = front.map(point => point.map((loss, k) => (loss - ideal[k]!) / (nadir[k]! - ideal[k]! || 1)))
  return hypervolumeContributions(scaled, new Array<number>(ideal.length).fill(1 + MARGIN))
}

export const smsEmoa: StrategyDefinition<SmsEmoaOptions> = {
  ...smsEmoaDescription,
  create: (context, options) => SmsEmoa.create(context, options),
  restore: (context, options, snapshot) => SmsEmoa.restore(context, options, snapshot),
}
