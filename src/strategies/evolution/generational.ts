import { z } from 'zod'
import { dominates } from '../../archive/dominance.ts'
import type { CandidateId, Genome, JsonValue } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import { type Rng, restoreRng } from '../../rng.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, ToldTrial } from '../strategy.ts'
import { Batch, batchSchema, type Child } from './batch.ts'
import { tournamentWinners } from './mating.ts'
import {
  decodePopulation,
  encodePopulation,
  firstGenomes,
  isAmong,
  lineage,
  type Member,
  populationSchema,
  priorMembers,
} from './population.ts'
import { randomGenome, type Variation, vary } from './variation.ts'

/** What one generational algorithm has that others have not. */
export interface GenerationalAlgorithm<Memory extends JsonValue> {
  readonly kind: string
  readonly version: number
  readonly populationSize: number
  readonly variation: Variation
  readonly memorySchema: z.ZodType<Memory>
  readonly firstMemory: Memory
  /**
   * @param losses shape (n, m), finite, of parents and children together.
   * @returns the indices of at most `count` survivors, and the standing of each: of two that do not dominate each other the lower one
   * wins a tournament.
   */
  select(
    losses: readonly (readonly number[])[],
    count: number,
    memory: Memory,
    rng: Rng,
  ): { readonly survivors: readonly number[]; readonly standing: readonly number[]; readonly memory: Memory }
  diagnostics(population: readonly Member[], memory: Memory): Readonly<Record<string, JsonValue>>
}

/** How often a child that exists already is made again before it is accepted: a small discrete space has nothing else. */
const ATTEMPTS = 10

/**
 * A (μ + μ) evolutionary algorithm in ask/tell form. The first generation is `firstGenomes`; each later one is bred, when the one before
 * has been told completely, from pairs that won a binary tournament. Parents and children compete for the next population, ordered
 * by id. Trials of earlier runs are parents from the start, in place of as many sampled genomes.
 */
export class Generational<Memory extends JsonValue> implements Strategy {
  readonly kind: string
  readonly #context: StrategyContext
  readonly #algorithm: GenerationalAlgorithm<Memory>
  readonly #rng: Rng
  #memory: Memory
  #population: Member[] = []
  #standing: readonly number[] = []
  #generation = 0
  #batch = new Batch(0, [])

  constructor(context: StrategyContext, algorithm: GenerationalAlgorithm<Memory>, rng: Rng) {
    if (context.domain.genes.length === 0)
      throw new ConfigError(`Strategy "${algorithm.kind}" needs at least one gene, got none.`)
    this.kind = algorithm.kind
    this.#context = context
    this.#algorithm = algorithm
    this.#rng = rng
    this.#memory = algorithm.firstMemory
  }

  static create<Memory extends JsonValue>(
    context: StrategyContext,
    algorithm: GenerationalAlgorithm<Memory>,
  ): Generational<Memory> {
    const strategy = new Generational(context, algorithm, context.rng.split(algorithm.kind))
    strategy.#survive(priorMembers(context))
    const missing = algorithm.populationSize - strategy.#population.length
    const genomes = firstGenomes(context, missing, strategy.#rng)
    strategy.#batch = new Batch(
      0,
      genomes.map(genome => ({ genome, parents: [] })),
    )
    return strategy
  }

  ask(count: number): readonly Proposal[] {
    return this.#batch.ask(count)
  }

  tell(trials: readonly ToldTrial[]): void {
    this.#batch.tell(trials)
    if (this.#batch.isComplete) this.#nextGeneration()
  }

  stopReason(): undefined {
    return undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    return {
      generation: this.#generation,
      populationSize: this.#population.length,
      ...this.#algorithm.diagnostics(this.#population, this.#memory),
    }
  }

  snapshot(): Snapshot {
    const state: JsonValue = {
      rng: { ...this.#rng.state() },
      memory: this.#memory,
      population: encodePopulation(this.#population),
      standing: this.#standing,
      generation: this.#generation,
      batch: this.#batch.snapshot(this.#context.objectives.length),
    }
    return { kind: this.kind, version: this.#algorithm.version, state }
  }

  static restore<Memory extends JsonValue>(
    context: StrategyContext,
    algorithm: GenerationalAlgorithm<Memory>,
    snapshot: Snapshot,
  ): Generational<Memory> {
    const { kind, version, memorySchema } = algorithm
    const state = snapshotState(snapshot, { kind, version, schema: stateSchema(memorySchema) })
    const d = context.domain.genes.length
    const m = context.objectives.length
    const strategy = new Generational(context, algorithm, restoreRng(state.rng))
    strategy.#memory = state.memory
    strategy.#population = decodePopulation(state.population, d, m)
    strategy.#standing = state.standing
    strategy.#generation = state.generation
    strategy.#batch = Batch.restore(state.batch, d, m)
    return strategy
  }

  #nextGeneration(): void {
    this.#survive([...this.#population, ...this.#batch.members().filter(member => member !== undefined)])
    this.#generation++
    this.#batch = new Batch(this.#batch.nextId, this.#breed())
  }

  #survive(candidates: readonly Member[]): void {
    const losses = candidates.map(member => member.losses)
    const { select, populationSize } = this.#algorithm
    const { survivors, standing, memory } = select(losses, populationSize, this.#memory, this.#rng)
    this.#population = survivors.map(i => candidates[i]!)
    this.#standing = standing
    this.#memory = memory
  }

  #breed(): Child[] {
    const { populationSize, variation } = this.#algorithm
    const { domain } = this.#context
    const children: Child[] = []
    const seen = this.#population.map(member => member.genome)
    let rejected = 0
    const offer = (genome: Genome, parents: readonly CandidateId[]): void => {
      if (children.length === populationSize) return
      if (isAmong(genome, seen) && rejected++ < ATTEMPTS * populationSize) return
      seen.push(genome)
      children.push({ genome, parents })
    }
    const winners = tournamentWinners(this.#population.length, this.#beats, this.#rng)
    while (children.length < populationSize) {
      if (this.#population.length === 0) {
        offer(randomGenome(domain, this.#rng), []) // everything has failed so far
        continue
      }
      const first = this.#population[winners.next().value]!
      const second = this.#population[winners.next().value]!
      const parents = lineage(first, second)
      for (const child of vary(domain, first.genome, second.genome, variation, this.#rng)) offer(child, parents)
    }
    return children
  }

  /** Whether member b wins the tournament against a. */
  readonly #beats = (a: number, b: number): boolean => {
    const [first, second] = [this.#population[a]!.losses, this.#population[b]!.losses]
    if (dominates(first, second)) return false
    return dominates(second, first) || this.#standing[b]! < this.#standing[a]!
  }
}

const stateSchema = <Memory>(memory: z.ZodType<Memory>) =>
  z.strictObject({
    rng: rngStateSchema,
    memory,
    population: populationSchema,
    standing: z.array(z.number()), // of each member in tournaments
    generation: z.number().int(),
    batch: batchSchema,
  })
