import { z } from 'zod'
import { dominates } from '../../archive/dominance.ts'
import type { JsonValue } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import { type Rng, restoreRng } from '../../rng.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition, ToldTrial } from '../strategy.ts'
import { Batch, batchSchema, type Child } from './batch.ts'
import { crowdedOrder, selectByCrowding } from './crowding.ts'
import {
  type DifferentialEvolutionOptions,
  differentialEvolutionDescription,
  SMALLEST,
} from './differential-evolution-options.ts'
import { differentialTrial } from './differential-variation.ts'
import {
  decodePopulation,
  encodePopulation,
  firstGenomes,
  lineage,
  type Member,
  populationSchema,
  priorMembers,
} from './population.ts'
import {
  FIRST_SUCCESS_MEMORY,
  type Parameters,
  rememberSuccesses,
  type Success,
  type SuccessMemory,
  sampleParameters,
} from './success-memory.ts'
import { randomGenome } from './variation.ts'

const KIND = differentialEvolutionDescription.kind
const VERSION = 1

/** N_init per gene, r_arc and p of the paper's tuned settings. */
const MEMBERS_PER_GENE = 18
const ARCHIVE_SHARE = 2.6
const BEST_SHARE = 0.11
/** With fewer generations than this the adaptation has nothing to learn from: a small budget gets a smaller population. */
const LEAST_GENERATIONS = 20
const LARGEST_AUTO = 100

const stateSchema = z.strictObject({
  rng: rngStateSchema,
  population: populationSchema, // one objective: position is identity; several: best standing first
  archive: populationSchema,
  memory: z.strictObject({
    scales: z.array(z.number()),
    rates: z.array(z.number().nullable()),
    next: z.number().int(),
  }),
  parameters: z.array(z.strictObject({ scale: z.number(), rate: z.number() })), // per child of the batch, where it has a target
  generation: z.number().int(),
  batch: batchSchema,
})

/**
 * Differential evolution with success-history adaptation: L-SHADE for one objective, and for several the same trials with the
 * selection of GDE3 (S. Kukkonen, J. Lampinen, CEC 2005): a trial that dominates its target takes its place, of two that do not
 * dominate each other both stay, and at the end of a generation the population is cut back by fronts and crowding. There "best"
 * means front first, then crowding, and a success is a trial that dominates its target.
 *
 * The k-th child of a generation is the trial of the k-th member. A failed trial loses.
 */
class DifferentialEvolution implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #size: number // N_init
  readonly #rng: Rng
  #population: Member[] = []
  #archive: Member[] = []
  #memory: SuccessMemory = FIRST_SUCCESS_MEMORY
  #parameters: readonly Parameters[] = []
  #generation = 0
  #batch = new Batch(0, [])

  constructor(context: StrategyContext, options: DifferentialEvolutionOptions, rng: Rng) {
    const d = context.domain.genes.length
    if (d === 0) throw new ConfigError(`Strategy "${KIND}" needs at least one gene, got none.`)
    const affordable = Math.floor((context.budget ?? Infinity) / LEAST_GENERATIONS)
    this.#size =
      options.population_size === 'auto'
        ? Math.max(2 * SMALLEST, Math.min(MEMBERS_PER_GENE * d, LARGEST_AUTO, affordable))
        : options.population_size
    this.#context = context
    this.#rng = rng
  }

  static create(context: StrategyContext, options: DifferentialEvolutionOptions): DifferentialEvolution {
    const strategy = new DifferentialEvolution(context, options, context.rng.split(KIND))
    strategy.#population = strategy.#fittest(priorMembers(context), strategy.#size)
    const missing = strategy.#size - strategy.#population.length
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
      scales: this.#memory.scales,
      crossoverRates: this.#memory.rates,
    }
  }

  snapshot(): Snapshot {
    const state: JsonValue = {
      rng: { ...this.#rng.state() },
      population: encodePopulation(this.#population),
      archive: encodePopulation(this.#archive),
      memory: { ...this.#memory },
      parameters: this.#parameters.map(parameters => ({ ...parameters })),
      generation: this.#generation,
      batch: this.#batch.snapshot(this.#context.objectives.length),
    }
    return { kind: KIND, version: VERSION, state }
  }

  static restore(
    context: StrategyContext,
    options: DifferentialEvolutionOptions,
    snapshot: Snapshot,
  ): DifferentialEvolution {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    const [d, m] = [context.domain.genes.length, context.objectives.length]
    const strategy = new DifferentialEvolution(context, options, restoreRng(state.rng))
    strategy.#population = decodePopulation(state.population, d, m)
    strategy.#archive = decodePopulation(state.archive, d, m)
    strategy.#memory = state.memory
    strategy.#parameters = state.parameters
    strategy.#generation = state.generation
    strategy.#batch = Batch.restore(state.batch, d, m)
    return strategy
  }

  #nextGeneration(): void {
    const trials = this.#batch.members()
    const targets = this.#parameters.length === 0 ? [] : this.#population
    if (targets.length === 0) this.#population.push(...trials.filter(trial => trial !== undefined))
    else this.#compete(targets, trials)
    const done = this.#batch.nextId
    this.#population = this.#fittest(this.#population, this.#nextSize(done))
    const archiveSize = Math.round(ARCHIVE_SHARE * this.#population.length)
    while (this.#archive.length > archiveSize) this.#archive.splice(this.#rng.integer(0, this.#archive.length), 1)
    this.#generation++
    this.#batch = new Batch(done, this.#breed())
  }

  #compete(targets: readonly Member[], trials: readonly (Member | undefined)[]): void {
    const successes: Success[] = []
    const both: Member[] = []
    const single = this.#context.objectives.length === 1
    this.#population = targets.map((target, i) => {
      const trial = trials[i]
      if (trial === undefined) return target
      if (dominates(trial.losses, target.losses)) {
        successes.push({ ...this.#parameters[i]!, gain: single ? target.losses[0]! - trial.losses[0]! : 1 })
        this.#archive.push(target)
        return trial
      }
      if (dominates(target.losses, trial.losses)) return target
      // Equal losses: the trial replaces its target, which lets the population drift over plateaus.
      if (trial.losses.every((loss, k) => loss === target.losses[k])) return trial
      both.push(trial)
      return target
    })
    this.#population.push(...both)
    this.#memory = rememberSuccesses(this.#memory, successes)
  }

  /** Best first for several objectives; for one only the worst go, and the others keep their places. */
  #fittest(members: readonly Member[], count: number): Member[] {
    if (this.#context.objectives.length > 1) {
      const { survivors, ranks, crowding } = selectByCrowding(
        members.map(member => member.losses),
        count,
      )
      const standing = crowdedOrder(ranks, crowding)
      const order = survivors.map((_, at) => at).sort((a, b) => standing[a]! - standing[b]!)
      return order.map(at => members[survivors[at]!]!)
    }
    const order = members.map((_, i) => i).sort((a, b) => members[a]!.losses[0]! - members[b]!.losses[0]! || a - b)
    const kept = new Set(order.slice(0, count))
    return members.filter((_, i) => kept.has(i))
  }

  /** Linear population size reduction (Tanabe and Fukunaga, eq. 10). */
  #nextSize(done: number): number {
    const { budget, objectives } = this.#context
    if (budget === undefined || objectives.length > 1) return this.#size
    const left = Math.max(0, 1 - done / budget)
    return Math.max(SMALLEST, Math.round(SMALLEST + (this.#size - SMALLEST) * left))
  }

  #breed(): Child[] {
    const { domain } = this.#context
    const n = this.#population.length
    this.#parameters = []
    if (n < SMALLEST) {
      return Array.from({ length: this.#size }, () => ({ genome: randomGenome(domain, this.#rng), parents: [] }))
    }
    const best = this.#fittestFirst().slice(0, Math.max(2, Math.round(BEST_SHARE * n)))
    const parameters = this.#population.map(() => sampleParameters(this.#memory, this.#rng))
    this.#parameters = parameters
    return this.#population.map((target, i) => {
      const leader = best[this.#rng.integer(0, best.length)]!
      const first = other(n, [i], this.#rng)
      const second = other(n + this.#archive.length, [i, first], this.#rng)
      const plus = this.#population[first]!
      const minus = this.#population[second] ?? this.#archive[second - n]!
      const { scale, rate } = parameters[i]!
      const genomes = { target: target.genome, best: leader.genome, plus: plus.genome, minus: minus.genome }
      const genome = differentialTrial(domain, genomes, scale, rate, this.#rng)
      return { genome, parents: lineage(target, leader, plus, minus) }
    })
  }

  #fittestFirst(): readonly Member[] {
    if (this.#context.objectives.length > 1) return this.#population
    return [...this.#population].sort((a, b) => a.losses[0]! - b.losses[0]!)
  }
}

/** A uniform index below n that is none of the given ones, all different. */
function other(n: number, taken: readonly number[], rng: Rng): number {
  let index = rng.integer(0, n)
  while (taken.includes(index)) index = rng.integer(0, n)
  return index
}

export const differentialEvolution: StrategyDefinition<DifferentialEvolutionOptions> = {
  ...differentialEvolutionDescription,
  create: (context, options) => DifferentialEvolution.create(context, options),
  restore: (context, options, snapshot) => DifferentialEvolution.restore(context, options, snapshot),
}
