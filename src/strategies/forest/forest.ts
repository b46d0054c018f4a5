import { z } from 'zod'
import type { Genome, JsonValue } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import { logH } from '../../numerics/normal.ts'
import { type Rng, restoreRng } from '../../rng.ts'
import { scalarize } from '../../scalarization.ts'
import { InitialDesign } from '../initial-design.ts'
import { Observations, observationsSchema } from '../observations.ts'
import { paregoLosses } from '../pareto-scalarization.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition, ToldTrial } from '../strategy.ts'
import { maximizeAcquisition } from './acquisition-search.ts'
import { ForestSpace } from './forest-space.ts'
import { type ForestStrategyOptions, forestDescription } from './options.ts'
import { RegressionForest } from './regression-forest.ts'
import { logTargets } from './targets.ts'

/**
 * Bayesian optimisation with a random forest, in the manner of SMAC: an even design, then for each proposal a forest of all that is known and the
 * genome with the largest expected improvement under it; now and then a random genome instead. Forests take categorical and conditional
 * genes as they are, which Gaussian processes do not.
 *
 * Several objectives by ParEGO: every proposal has a weight vector of its own. Candidates still out enter with the loss the forest predicts
 * for them, so that a batch spreads. Failed candidates count as bad as the worst scored one.
 */
const KIND = forestDescription.kind
const VERSION = 1

const stateSchema = z.strictObject({ rng: rngStateSchema, observations: observationsSchema })

/** Expected improvement needs some doubt: a forest whose trees agree has none. */
const LEAST_DEVIATION = 1e-8

class Forest implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #options: ForestStrategyOptions
  readonly #rng: Rng
  readonly #observations: Observations
  readonly #space: ForestSpace
  readonly #design: InitialDesign
  readonly #designSize: number

  constructor(context: StrategyContext, options: ForestStrategyOptions, rng: Rng, observations: Observations) {
    const { domain, budget, guesses, prior = [] } = context
    if (domain.genes.length === 0) throw new ConfigError('Strategy "forest" needs at least one gene, got none.')
    this.#context = context
    this.#options = options
    this.#rng = rng
    this.#observations = observations
    this.#space = new ForestSpace(domain)
    this.#design = new InitialDesign(domain, guesses, rng, options.initial_spread)
    const { initial_design: size } = options
    const wanted = size === 'auto' ? Math.min(10 * domain.genes.length, Math.ceil((budget ?? 100) / 4)) : size
    this.#designSize = Math.max(this.#design.known, wanted - prior.length)
  }

  ask(count: number): readonly Proposal[] {
    return Array.from({ length: count }, () => {
      const genome = this.#next()
      this.#observations.ask(genome)
      return { genome }
    })
  }

  tell(trials: readonly ToldTrial[]): void {
    this.#observations.tell(trials)
  }

  stopReason(): undefined {
    return undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    const { asked, told, kept, pending } = this.#observations
    const phase = asked < this.#designSize ? 'initial design' : 'model'
    return { phase, told, kept: kept.length, pending: pending.length }
  }

  snapshot(): Snapshot {
    const state: z.infer<typeof stateSchema> = { rng: this.#rng.state(), observations: this.#observations.snapshot() }
    return { kind: KIND, version: VERSION, state }
  }

  #next(): Genome {
    this.#observations.limit()
    const { asked, kept, pending } = this.#observations
    if (asked < this.#designSize) return this.#design.genome(asked)
    if (kept.every(entry => entry.losses === undefined)) return this.#space.random(this.#rng)
    if (this.#rng.uniform() < this.#options.random_share) return this.#space.random(this.#rng)

    const genomes = [...kept.map(entry => entry.genome), ...pending]
    const inputs = genomes.map(genome => this.#space.input(genome))
    const targets = logTargets(this.#scalarLosses())
    let forest = this.#fit(inputs, targets)
    if (pending.length > 0) {
      const believed = inputs.slice(kept.length).map(input => forest.predict(input).mean)
      forest = this.#fit(inputs, Float64Array.from([...targets, ...believed]))
    }

    const means = inputs.map(input => forest.predict(input).mean)
    const best = Math.min(...means)
    const bestFirst = genomes.map((_, i) => i).sort((a, b) => means[a]! - means[b]! || b - a)
    const logExpectedImprovement = (genome: Genome): number => {
      const { mean, variance } = forest.predict(this.#space.input(genome))
      const deviation = Math.max(LEAST_DEVIATION, Math.sqrt(variance))
      return logH((best - mean) / deviation) + Math.log(deviation)
    }
    const seen = new Set(genomes.map(genome => genome.join()))
    const genome = maximizeAcquisition(
      this.#space,
      logExpectedImprovement,
      bestFirst.map(i => genomes[i]!),
      { challengers: this.#options.challengers, starts: this.#options.local_searches },
      candidate => seen.has(candidate.join()),
      this.#rng,
    )
    return genome ?? this.#space.random(this.#rng)
  }

  /** One loss per kept trial; failed ones get the worst. */
  #scalarLosses(): number[] {
    const { kept } = this.#observations
    const { objectives } = this.#context
    const { scalarization } = this.#options
    const scored = kept.flatMap(entry => (entry.losses === undefined ? [] : [entry.losses]))
    const scalars =
      scalarization === 'parego' && objectives.length > 1
        ? paregoLosses(scored, this.#rng)
        : scored.map(losses => scalarize(scalarization === 'mean' ? 'mean' : 'worst', losses, objectives))
    const worst = scalars.reduce((most, loss) => Math.max(most, loss), Number.NEGATIVE_INFINITY)
    const next = scalars.values()
    return kept.map(entry => (entry.losses === undefined ? worst : next.next().value!))
  }

  /** Of the first inputs, as many as there are targets. */
  #fit(inputs: readonly Float64Array[], targets: Float64Array): RegressionForest {
    const { features } = this.#space
    const flat = new Float64Array(targets.length * features.length)
    for (let i = 0; i < targets.length; i++) flat.set(inputs[i]!, i * features.length)
    return RegressionForest.fit(flat, targets, features, { trees: this.#options.trees }, this.#rng)
  }
}

export const forest: StrategyDefinition<ForestStrategyOptions> = {
  ...forestDescription,
  create: (context, options) => {
    const observations = new Observations(context.domain.genes.length, context.objectives.length, options.data_limit)
    observations.addPrior(context.prior ?? [])
    return new Forest(context, options, context.rng.split(KIND), observations)
  },
  restore: (context, options, snapshot) => {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    const [d, m] = [context.domain.genes.length, context.objectives.length]
    const observations = Observations.restore(state.observations, d, m, options.data_limit)
    return new Forest(context, options, restoreRng(state.rng), observations)
  },
}
