import { z } from 'zod'
import type { CandidateId, Genome, JsonValue } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import { type Rng, restoreRng } from '../../rng.ts'
import { lossPieces } from '../../scalarization.ts'
import { InitialDesign } from '../initial-design.ts'
import { Observations, observationsSchema } from '../observations.ts'
import { paregoPieces } from '../pareto-scalarization.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition, ToldTrial } from '../strategy.ts'
import { isForWinner } from '../winner-share.ts'
import { maximizeAcquisition } from './acquisition-search.ts'
import { type ForestCriterion, largestCriterion, lossCriterion } from './criteria.ts'
import { ForestSpace } from './forest-space.ts'
import { type ForestStrategyOptions, forestDescription } from './options.ts'
import { RegressionForest } from './regression-forest.ts'
import { logTargets } from './targets.ts'

/**
 * Bayesian optimisation with a random forest, in the manner of SMAC: an even design, then for each proposal a forest of all that is known and the
 * genome with the largest expected improvement under it; now and then a random genome instead. Forests take categorical and conditional
 * genes as they are, which Gaussian processes do not.
 *
 * Several objectives have a forest each. Every second proposal improves the loss that names a winner, the others a weighting of their own (ParEGO's).
 * Candidates still out enter with the losses the forests predict for them, so that a batch spreads. Failed candidates count as bad as the
 * worst scored one.
 */
const KIND = forestDescription.kind
const VERSION = 1

const stateSchema = z.strictObject({ rng: rngStateSchema, observations: observationsSchema })

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
    const { logExpectedImprovement, believed } = this.#criterion(asked, inputs)
    const bestFirst = genomes.map((_, i) => i).sort((a, b) => believed[a]! - believed[b]! || b - a)
    const seen = new Set(genomes.map(genome => genome.join()))
    const genome = maximizeAcquisition(
      this.#space,
      candidate => logExpectedImprovement(this.#space.input(candidate)),
      bestFirst.map(i => genomes[i]!),
      { challengers: this.#options.challengers, starts: this.#options.local_searches },
      candidate => seen.has(candidate.join()),
      this.#rng,
    )
    return genome ?? this.#space.random(this.#rng)
  }

  /** What candidate `id` shall improve: the loss, the scalarised losses, or, of several, a weighting of its own. */
  #criterion(id: CandidateId, inputs: readonly Float64Array[]): ForestCriterion {
    const { objectives } = this.#context
    if (objectives.length === 1) {
      return lossCriterion(this.#believing(inputs, logTargets(this.#losses(0))), inputs)
    }
    const { scalarization, winner_share: share } = this.#options
    const forests = objectives.map((_, j) => this.#believing(inputs, Float64Array.from(this.#losses(j))))
    const scored = this.#observations.kept.flatMap(({ losses }) => (losses === undefined ? [] : [losses]))
    const pieces =
      scalarization !== 'parego'
        ? lossPieces(scalarization, objectives)
        : isForWinner(id, share)
          ? lossPieces('worst', objectives)
          : paregoPieces(scored, this.#rng)
    return largestCriterion(forests, pieces, inputs)
  }

  /** Of every kept trial; failed ones get the worst. */
  #losses(objective: number): number[] {
    const losses = this.#observations.kept.map(entry => entry.losses?.[objective])
    const worst = losses.reduce<number>((most, loss) => Math.max(most, loss ?? most), Number.NEGATIVE_INFINITY)
    return losses.map(loss => loss ?? worst)
  }

  /** A forest of what was told, and of candidates still out as it believes they will come out. @param targets of the first inputs. */
  #believing(inputs: readonly Float64Array[], targets: Float64Array): RegressionForest {
    const forest = this.#fit(inputs, targets)
    if (targets.length === inputs.length) return forest
    const believed = inputs.slice(targets.length).map(input => forest.predict(input).mean)
    return this.#fit(inputs, Float64Array.from([...targets, ...believed]))
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
