import { z } from 'zod'
import type { Genome, JsonValue } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import { type Rng, restoreRng } from '../../rng.ts'
import { type Conditions, conditionsOf } from '../activity.ts'
import { InitialDesign } from '../initial-design.ts'
import { Observations, observationsSchema } from '../observations.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition, ToldTrial } from '../strategy.ts'
import { type TpeOptions, tpeDescription } from './options.ts'
import { type ObservedPoint, observedPoint, ParzenEstimator } from './parzen.ts'
import { bestSubset } from './split.ts'

/**
 * Multivariate tree-structured Parzen estimator: one density l(x) of the best observations, one density g(x) of all others; of some
 * samples of l the one with the largest l(x) / g(x) is proposed, which maximises the expected improvement under this model.
 *
 * Candidates still out count as bad (constant liar), so that a batch spreads; failed ones too. A sample that equals a genome known
 * already is passed over. O(n d) per proposal, with n bounded by `data_limit`.
 */
const KIND = tpeDescription.kind
const VERSION = 1

/** Good observations at most, with one objective: more would blur the best region. */
const BEST_LIMIT = 25

const stateSchema = z.strictObject({ rng: rngStateSchema, observations: observationsSchema })

class Tpe implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #options: TpeOptions
  readonly #rng: Rng
  readonly #observations: Observations
  readonly #conditions: Conditions
  readonly #design: InitialDesign
  /** What has been learned from the trials told so far; the candidates that are out come on top. */
  #model: Model | undefined

  constructor(context: StrategyContext, options: TpeOptions, rng: Rng, observations: Observations) {
    if (context.domain.genes.length === 0) throw new ConfigError('Strategy "tpe" needs at least one gene, got none.')
    this.#context = context
    this.#options = options
    this.#rng = rng
    this.#observations = observations
    this.#conditions = conditionsOf(context.domain)
    this.#design = new InitialDesign(context.domain, context.guesses, rng, options.initial_spread)
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
    if (trials.length > 0) this.#model = undefined
  }

  stopReason(): undefined {
    return undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    const { kept, told, pending } = this.#observations
    return { told, kept: kept.length, pending: pending.length, good: this.#learned().good.length }
  }

  snapshot(): Snapshot {
    const state: z.infer<typeof stateSchema> = { rng: this.#rng.state(), observations: this.#observations.snapshot() }
    return { kind: KIND, version: VERSION, state }
  }

  #next(): Genome {
    this.#observations.limit()
    const { asked } = this.#observations
    const model = this.#learned()
    if (asked < this.#design.known || model.scored < this.#options.startup) return this.#design.genome(asked)

    const { domain } = this.#context
    const out = this.#observations.pending
    const pending = out.map(genome => observedPoint(domain, this.#conditions, genome))
    const l = new ParzenEstimator(domain, this.#conditions, model.good)
    const g = new ParzenEstimator(domain, this.#conditions, [...model.others, ...pending])
    const seen = new Set([...model.seen, ...out.map(genome => genome.join())])
    let best: { readonly genome: Genome; readonly score: number } | undefined
    for (let i = 0; i < this.#options.candidates; i++) {
      const genome = l.sample(this.#rng)
      if (seen.has(genome.join())) continue
      const activity = this.#conditions.activity(genome)
      const score = l.logDensity(genome, activity) - g.logDensity(genome, activity)
      if (best === undefined || score > best.score) best = { genome, score }
    }
    return best?.genome ?? new ParzenEstimator(domain, this.#conditions, []).sample(this.#rng)
  }

  #learned(): Model {
    this.#model ??= this.#learn()
    return this.#model
  }

  #learn(): Model {
    const { kept } = this.#observations
    const { domain, objectives } = this.#context
    const scored = kept.flatMap((entry, i) => (entry.losses === undefined ? [] : [{ i, losses: entry.losses }]))
    const share = Math.ceil(this.#options.best_share * scored.length)
    const best = bestSubset(
      scored.map(entry => entry.losses),
      objectives.length === 1 ? Math.min(share, BEST_LIMIT) : share,
    )
    const good = new Set(best.map(k => scored[k]!.i))
    const points = kept.map(entry => observedPoint(domain, this.#conditions, entry.genome))
    return {
      scored: scored.length,
      good: points.filter((_, i) => good.has(i)),
      others: points.filter((_, i) => !good.has(i)),
      seen: kept.map(entry => entry.genome.join()),
    }
  }
}

interface Model {
  readonly scored: number
  readonly good: readonly ObservedPoint[]
  readonly others: readonly ObservedPoint[]
  /** Genomes of all kept trials, as text. */
  readonly seen: readonly string[]
}

export const tpe: StrategyDefinition<TpeOptions> = {
  ...tpeDescription,
  create: (context, options) => {
    const observations = new Observations(context.domain.genes.length, context.objectives.length, options.data_limit)
    observations.addPrior(context.prior ?? [])
    return new Tpe(context, options, context.rng.split(KIND), observations)
  },
  restore: (context, options, snapshot) => {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    const [d, m] = [context.domain.genes.length, context.objectives.length]
    const observations = Observations.restore(state.observations, d, m, options.data_limit)
    return new Tpe(context, options, restoreRng(state.rng), observations)
  },
}
