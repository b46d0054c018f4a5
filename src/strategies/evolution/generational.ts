import { z } from 'zod'
import type { CandidateId, Genome, JsonValue } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import { type Rng, restoreRng } from '../../rng.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, ToldTrial } from '../strategy.ts'
import {
  decodePopulation,
  decodeRows,
  encodePopulation,
  encodeRows,
  firstGenomes,
  genomeKey,
  lineage,
  type Member,
  memberOf,
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
   * @returns the indices of at most `count` survivors, and the standing of each: in a tournament the lower one wins.
   */
  select(
    losses: readonly (readonly number[])[],
    count: number,
    memory: Memory,
    rng: Rng,
  ): { readonly survivors: readonly number[]; readonly standing: readonly number[]; readonly memory: Memory }
  diagnostics(population: readonly Member[], memory: Memory): Readonly<Record<string, JsonValue>>
}

interface Child {
  readonly genome: Genome
  readonly parents: readonly CandidateId[]
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
  #firstId = 0 // id of the generation's first child
  #children: readonly Child[] = []
  #asked = 0
  /** By position in the generation; `undefined`: failed. */
  #told = new Map<number, Member | undefined>()

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
    strategy.#children = genomes.map(genome => ({ genome, parents: [] }))
    return strategy
  }

  ask(count: number): readonly Proposal[] {
    const asked = this.#children.slice(this.#asked, this.#asked + count)
    this.#asked += asked.length
    return asked.map(({ genome, parents }) => ({ genome: genome.slice(), parents }))
  }

  tell(trials: readonly ToldTrial[]): void {
    for (const trial of trials) {
      const position = trial.id - this.#firstId
      if (position < 0 || position >= this.#asked || this.#told.has(position))
        throw new RangeError(`Expected the id of a candidate asked for and not yet told, got ${trial.id}.`)
      this.#told.set(position, memberOf({ ...trial, genome: this.#children[position]!.genome }))
    }
    if (this.#told.size === this.#children.length) this.#nextGeneration()
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
    const told = [...this.#told.keys()].sort((a, b) => a - b)
    const m = this.#context.objectives.length
    const losses = told.flatMap(position => this.#told.get(position)?.losses ?? new Array<number>(m).fill(Number.NaN))
    const state: JsonValue = {
      rng: { ...this.#rng.state() },
      memory: this.#memory,
      population: encodePopulation(this.#population),
      standing: this.#standing,
      generation: this.#generation,
      firstId: this.#firstId,
      children: encodeRows(this.#children.map(child => child.genome)),
      parents: this.#children.map(child => child.parents),
      asked: this.#asked,
      told,
      losses: encodeFloat64(Float64Array.from(losses)),
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
    strategy.#firstId = state.firstId
    strategy.#children = decodeRows(state.children, d).map((genome, i) => ({ genome, parents: state.parents[i]! }))
    strategy.#asked = state.asked
    const losses = decodeFloat64(state.losses, state.told.length * m)
    for (const [i, position] of state.told.entries()) {
      const row = losses.subarray(i * m, (i + 1) * m)
      const member = row.some(Number.isNaN)
        ? undefined
        : { id: state.firstId + position, genome: strategy.#children[position]!.genome, losses: [...row] }
      strategy.#told.set(position, member)
    }
    return strategy
  }

  #nextGeneration(): void {
    const children = [...this.#told].sort(([a], [b]) => a - b).flatMap(([, member]) => member ?? [])
    this.#survive([...this.#population, ...children])
    this.#generation++
    this.#firstId += this.#children.length
    this.#asked = 0
    this.#told = new Map()
    this.#children = this.#breed()
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
    const seen = new Set(this.#population.map(member => genomeKey(member.genome)))
    let rejected = 0
    const offer = (genome: Genome, parents: readonly CandidateId[]): void => {
      if (children.length === populationSize) return
      const key = genomeKey(genome)
      if (seen.has(key) && rejected++ < ATTEMPTS * populationSize) return
      seen.add(key)
      children.push({ genome, parents })
    }
    while (children.length < populationSize) {
      if (this.#population.length === 0) {
        offer(randomGenome(domain, this.#rng), []) // everything has failed so far
        continue
      }
      const [first, second] = [this.#tournament(), this.#tournament()]
      const parents = lineage(first, second)
      for (const child of vary(domain, first.genome, second.genome, variation, this.#rng)) offer(child, parents)
    }
    return children
  }

  #tournament(): Member {
    const n = this.#population.length
    const [a, b] = [this.#rng.integer(0, n), this.#rng.integer(0, n)]
    return this.#population[this.#standing[b]! < this.#standing[a]! ? b : a]!
  }
}

const stateSchema = <Memory>(memory: z.ZodType<Memory>) =>
  z.strictObject({
    rng: rngStateSchema,
    memory,
    population: populationSchema,
    standing: z.array(z.number()), // of each member in tournaments
    generation: z.number().int(),
    firstId: z.number().int(),
    children: z.string(), // genomes of the generation, asked or not
    parents: z.array(z.array(z.number().int())),
    asked: z.number().int(),
    told: z.array(z.number().int()), // positions in the generation, ascending
    losses: z.string(), // of those; NaN: failed
  })
