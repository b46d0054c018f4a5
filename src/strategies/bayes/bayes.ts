import { z } from 'zod'
import { nonDominatedSort } from '../../archive/dominance.ts'
import type { CandidateId, Genome, JsonValue } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import { SOBOL_DIMENSIONS, SobolSequence } from '../../numerics/sobol.ts'
import { referencePoint } from '../../objective.ts'
import { type Rng, type RngState, restoreRng } from '../../rng.ts'
import { SCALARIZATIONS, scalarize } from '../../scalarization.ts'
import { lossVariances } from '../noise.ts'
import { paregoLosses } from '../pareto-scalarization.ts'
import { snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition, ToldTrial } from '../strategy.ts'
import { type Acquisition, logExpectedImprovement } from './acquisition.ts'
import {
  type BayesState,
  decodeFit,
  decodeRows,
  decodeTold,
  encodeFit,
  encodeRows,
  encodeTold,
  stateSchema,
  type Told,
} from './bayes-state.ts'
import { type Encoding, encodingOf } from './encoding.ts'
import type { Gp } from './gp.ts'
import { maximize, type Region } from './maximize.ts'
import { Model } from './model.ts'
import { hypervolumeCriterion, MAX_HYPERVOLUME_OBJECTIVES } from './multi-objective/hypervolume-criterion.ts'
import { noisyLogExpectedImprovement } from './noisy-log-ei.ts'
import { standardization, toTarget } from './output-transform.ts'
import { selectObservations } from './select-observations.ts'
import type { Fit, Observation } from './surrogate.ts'
import { failureTolerance, newTrustRegion, type TrustRegion, trustBox, updateTrustRegion } from './trust-region.ts'

const KIND = 'bayes'
const VERSION = 1

const optionsSchema = z.strictObject({
  initial_points: z
    .union([z.literal('auto'), z.number().int().min(1).max(10_000)])
    .default('auto')
    .describe(
      'Scattered candidates before the first model, the declared start included; "auto" is 2 d + 2, from 6 to 20.',
    ),
  noise: z
    .enum(['auto', 'known', 'estimated'])
    .default('auto')
    .describe(
      'Noise of the losses: "known" from the scores of single examples, "estimated" as one level by the model, "auto" known where scores allow.',
    ),
  output_transform: z
    .enum(['auto', 'none', 'log'])
    .default('auto')
    .describe(
      'Model the losses as they are ("none"), by a logarithm ("log"), or by whichever makes them the more probable.',
    ),
  raw_samples: z
    .number()
    .int()
    .min(4)
    .max(100_000)
    .default(512)
    .describe('Points at which the acquisition is looked at for each candidate, before climbing.'),
  starts: z.number().int().min(1).max(1000).default(4).describe('Climbs of the acquisition for each candidate.'),
  max_iterations: z.number().int().min(1).max(1000).default(50).describe('Iterations of a climb at most.'),
  max_observations: z
    .number()
    .int()
    .min(10)
    .max(5000)
    .default(1000)
    .describe(
      'Observations the model keeps at most; the cost of a candidate grows with their square, of a fit with their cube.',
    ),
  criterion: z
    .enum(['auto', 'hypervolume', 'parego', 'scalarized'])
    .default('auto')
    .describe(
      'Several objectives: a model of each and the expected gain of "hypervolume" (2 or 3 objectives), one model of a new random weighting for ' +
        'each candidate ("parego"), or of one "scalarized" objective, which finds one point; "auto" is the first, or the second for more than 3.',
    ),
  acquisition: z
    .enum(['auto', 'log-ei', 'noisy-log-ei'])
    .default('auto')
    .describe(
      'For one loss: expected improvement over the best value ("log-ei"), or averaged over what the best value may be under noise ("noisy-log-ei"); ' +
        '"auto" is the latter where the noise is more than a tenth of the losses’ deviation.',
    ),
  trust_region: z
    .union([z.literal('auto'), z.boolean()])
    .default('auto')
    .describe(
      'Search in a box around the best point that adapts its size; "auto": with more than 100 genes and one loss.',
    ),
  scalarization: z
    .enum(SCALARIZATIONS)
    .default('worst')
    .describe('How several objectives become one for "scalarized": the "worst" normalised objective, or their "mean".'),
})
export type BayesOptions = z.infer<typeof optionsSchema>

/** Unit-cube distance below which two genomes are the same. */
const SAME = 1e-9
const FIT_LIMIT = 300
/** Of the observations the model keeps, what trials of earlier runs may take. */
const PRIOR_SHARE = 0.5
const ANCHORS = 5
/** Noise, in deviations of the losses, from which the best value counts as unknown; and draws of what it may be. */
const NOISY = 0.1
const NOISY_DRAWS = 16
/** Genes beyond which a model of the whole box knows too little. */
const GLOBAL_GENES = 100

class Bayes implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #options: BayesOptions
  readonly #encoding: Encoding
  readonly #rngState: RngState
  readonly #rng: Rng
  readonly #starts: readonly Genome[]
  readonly #prior: readonly Told[]
  readonly #design: SobolSequence | undefined
  readonly #criterion: Criterion
  /** One per objective for `hypervolume`, otherwise one. */
  #models: readonly Model[]
  #asked = 0
  #pending = new Map<CandidateId, Genome>()
  /** What models rest on, in the order of the proposals that first knew of them and then of ids. */
  #told: Told[] = []
  /** Told since the last proposal: in which order must not matter. */
  #fresh = new Map<CandidateId, Told>()
  #trustRegion: TrustRegion | undefined
  #lastValue: number | undefined

  constructor(context: StrategyContext, options: BayesOptions, rng: RngState) {
    const { domain } = context
    const d = domain.genes.length
    if (d === 0) throw new ConfigError('Strategy "bayes" needs at least one gene, got none.')
    this.#context = context
    this.#options = options
    this.#encoding = encodingOf(domain)
    this.#criterion = chooseCriterion(options.criterion, context.objectives.length)
    this.#models = this.#newModels([])
    this.#rngState = rng
    this.#rng = restoreRng(rng)
    this.#starts = distinct(this.#encoding, [domain.initial, ...(context.guesses ?? [])])
    this.#prior = this.#kept(
      (context.prior ?? []).map(trial => this.#toldOf(trial)),
      Math.floor(PRIOR_SHARE * options.max_observations),
    )
    this.#trustRegion = usesTrustRegion(options.trust_region, d, this.#criterion) ? newTrustRegion(0) : undefined
    this.#design = d <= SOBOL_DIMENSIONS ? new SobolSequence(d, this.#rng.split('design')) : undefined
  }

  ask(count: number): readonly Proposal[] {
    const proposals: Proposal[] = []
    if (count > 0) this.#absorb()
    while (proposals.length < count) {
      const genome = this.#propose(this.#asked)
      this.#pending.set(this.#asked, genome)
      this.#asked++
      proposals.push({ genome: genome.slice() })
    }
    return proposals
  }

  tell(trials: readonly ToldTrial[]): void {
    for (const trial of trials) {
      const genome = this.#pending.get(trial.id)
      if (genome === undefined) {
        throw new RangeError(`Expected the id of a candidate asked for and not yet told, got ${trial.id}.`)
      }
      this.#pending.delete(trial.id)
      this.#fresh.set(trial.id, { ...this.#toldOf(trial), genome })
    }
  }

  stopReason(): undefined {
    return undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    return {
      criterion: this.#criterion,
      observations: this.#told.length + this.#fresh.size,
      priorObservations: this.#prior.length,
      pending: this.#pending.size,
      models: this.#models.map(({ fit }) =>
        fit === undefined
          ? null
          : {
              lengthscales: Array.from(fit.parameters.lengthscales),
              outputscale: fit.parameters.outputscale,
              noise: fit.parameters.noise,
              transform: fit.transform.warp,
            },
      ),
      trustRegion: this.#trustRegion?.length ?? null,
      acquisition: this.#lastValue === undefined || Number.isNaN(this.#lastValue) ? null : this.#lastValue,
    }
  }

  snapshot(): Snapshot {
    const d = this.#encoding.domain.genes.length
    const m = this.#context.objectives.length
    const fresh = this.#freshIds()
    const told = [...this.#told, ...fresh.map(id => this.#fresh.get(id)!)]
    const state: BayesState = {
      rng: this.#rngState,
      asked: this.#asked,
      pending: [...this.#pending.keys()],
      pendingGenomes: encodeRows([...this.#pending.values()], d),
      fresh,
      ...encodeTold(told, d, m),
      fits: this.#models.map(({ fit }) => (fit === undefined ? null : encodeFit(fit))),
      trustRegion: this.#trustRegion ?? null,
    }
    return { kind: KIND, version: VERSION, state }
  }

  static restore(context: StrategyContext, options: BayesOptions, snapshot: Snapshot): Bayes {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    const d = context.domain.genes.length
    const m = context.objectives.length
    const strategy = new Bayes(context, options, state.rng)
    strategy.#asked = state.asked
    const pending = decodeRows(state.pendingGenomes, d)
    strategy.#pending = new Map(state.pending.map((id, i) => [id, pending[i]!]))
    const told = decodeTold(state, d, m)
    const known = told.length - state.fresh.length
    strategy.#told = told.slice(0, known)
    strategy.#fresh = new Map(state.fresh.map((id, i) => [id, told[known + i]!]))
    strategy.#models = strategy.#newModels(state.fits.map(fit => (fit === null ? undefined : decodeFit(fit))))
    strategy.#trustRegion = state.trustRegion ?? undefined
    return strategy
  }

  #propose(id: CandidateId): Genome {
    const designed = this.#designPoint(id)
    if (designed !== undefined) return designed
    const told = [...this.#prior, ...this.#told]
    const target = this.#target(id, told)
    if (target === undefined) return this.#scattered(id)
    const taken = [...told.map(t => t.genome), ...this.#pending.values()].map(g => this.#encoding.encode(g))
    const found = maximize(
      target.acquisition,
      {
        encoding: this.#encoding,
        region: this.#region(target.anchors[0]),
        anchors: target.anchors,
        isTaken: genome => isTaken(this.#encoding, genome, taken),
        rng: this.#rng.split(`proposal ${id}`),
      },
      {
        rawSamples: this.#options.raw_samples,
        starts: this.#options.starts,
        maxIterations: this.#options.max_iterations,
      },
    )
    this.#lastValue = found.value
    return found.genome
  }

  /** The whole cube, or the trust region around the best genome. */
  #region(best: Genome | undefined): Region {
    const d = this.#encoding.domain.genes.length
    const fit = this.#models[0]!.fit
    if (this.#trustRegion === undefined || fit === undefined || best === undefined) {
      return { low: new Float64Array(d), high: new Float64Array(d).fill(1) }
    }
    return trustBox(this.#encoding, fit.parameters.lengthscales, best, this.#trustRegion.length)
  }

  /** The start and known recipes, then scattered points; `undefined` once models take over. */
  #designPoint(id: CandidateId): Genome | undefined {
    const start = this.#starts[id]
    if (start !== undefined) return start.slice()
    const { initial_points: wanted } = this.#options
    const d = this.#encoding.domain.genes.length
    const size = wanted === 'auto' ? Math.min(20, Math.max(6, 2 * d + 2)) : wanted
    const since = id - (this.#trustRegion?.firstId ?? 0)
    if (this.#prior.length >= size && since === id) return undefined
    return since < size ? this.#scattered(id) : undefined
  }

  #scattered(id: CandidateId): Genome {
    const index = id - this.#starts.length
    if (this.#design !== undefined) return this.#encoding.decode(this.#design.point(index))
    const rng = this.#rng.split(`scattered ${id}`)
    return this.#encoding.decode(Float64Array.from(this.#encoding.domain.genes, () => rng.uniform()))
  }

  #toldOf(trial: ToldTrial): Told {
    const finite = trial.losses?.every(Number.isFinite) === true
    return {
      genome: trial.genome,
      losses: finite ? trial.losses : undefined,
      variances: lossVariances(trial, this.#context.objectives),
    }
  }

  /** What candidate `id` shall maximise, and genomes to look around; `undefined` while nothing has been scored. */
  #target(id: CandidateId, told: readonly Told[]): Target | undefined {
    return this.#criterion === 'hypervolume' ? this.#hypervolumeTarget(id, told) : this.#scalarTarget(id, told)
  }

  #scalarTarget(id: CandidateId, told: readonly Told[]): Target | undefined {
    const model = this.#models[0]!
    const observations = this.#scalarObservations(id, told)
    const rng = this.#rng.split(`fit ${id}`)
    // Another weighting is another loss.
    if (this.#criterion === 'parego') model.refit(observations, rng)
    else model.update(observations, rng)
    const gp = model.process(observations, this.#pending)
    if (gp === undefined) return undefined
    const means = gp.fittedMeans()
    // Around the best by the model, not by the loss seen: under noise the least loss is the luckiest.
    const order = observations.map((_, i) => i).filter(i => observations[i]!.loss !== undefined)
    order.sort((a, b) => means[a]! - means[b]! || a - b)
    const anchors = order.slice(0, ANCHORS).map(i => observations[i]!.genome)
    const best = means.reduce((a, b) => Math.min(a, b))
    return {
      acquisition: this.#isNoisy(gp)
        ? noisyLogExpectedImprovement(gp, NOISY_DRAWS, this.#rng.split(`draws ${id}`))
        : logExpectedImprovement(gp, best),
      anchors,
    }
  }

  #isNoisy(gp: Gp): boolean {
    const { acquisition } = this.#options
    return acquisition === 'auto' ? gp.meanNoise() > NOISY ** 2 : acquisition === 'noisy-log-ei'
  }

  #hypervolumeTarget(id: CandidateId, told: readonly Told[]): Target | undefined {
    const gps = []
    for (const [j, model] of this.#models.entries()) {
      const observations = told.map(t => ({ genome: t.genome, loss: t.losses?.[j], variance: t.variances[j] }))
      model.update(observations, this.#rng.split(`fit ${id} ${j}`))
      const gp = model.process(observations, this.#pending)
      if (gp === undefined) return undefined
      gps.push(gp)
    }
    const limits = referencePoint(this.#context.objectives)
    const reference = limits.map((loss, j) => toTarget(this.#models[j]!.fit!.transform, loss))
    const { acquisition, anchors } = hypervolumeCriterion(gps, reference, ANCHORS)
    const genomes = [...told.map(t => t.genome), ...this.#pending.values()]
    return { acquisition, anchors: anchors.map(i => genomes[i]!) }
  }

  /** One loss per trial: the only one, candidate `id`'s random weighting, or the declared scalarization. */
  #scalarObservations(id: CandidateId, told: readonly Told[]): Observation[] {
    const { objectives } = this.#context
    if (this.#criterion !== 'parego') {
      return told.map(t => ({
        genome: t.genome,
        loss: t.losses && scalarize(this.#options.scalarization, t.losses, objectives),
        variance: objectives.length === 1 ? t.variances[0] : undefined,
      }))
    }
    const scored = told.flatMap(t => (t.losses === undefined ? [] : [t.losses]))
    const scalars = scored.length === 0 ? [] : paregoLosses(scored, this.#rng.split(`weights ${id}`))
    const next = scalars.values()
    return told.map(t => ({
      genome: t.genome,
      loss: t.losses === undefined ? undefined : next.next().value,
      variance: undefined,
    }))
  }

  #newModels(fits: readonly (Fit | undefined)[]): readonly Model[] {
    const { noise, output_transform } = this.#options
    const several = this.#criterion === 'hypervolume'
    // Hypervolume is measured in the losses' own units, which an affine transform keeps.
    const transform = several ? 'none' : output_transform
    return Array.from(
      { length: several ? this.#context.objectives.length : 1 },
      (_, j) => new Model(this.#encoding, { noise, transform, fitLimit: FIT_LIMIT }, fits[j]),
    )
  }

  #freshIds(): CandidateId[] {
    return [...this.#fresh.keys()].sort((a, b) => a - b)
  }

  /** Takes in what has been told since the last proposal, and lets go of what a model could not afford to keep. */
  #absorb(): void {
    const firstId = this.#trustRegion?.firstId ?? 0
    const fresh = this.#freshIds()
      .filter(id => id >= firstId)
      .map(id => this.#fresh.get(id)!)
    this.#fresh.clear()
    this.#told.push(...fresh)
    this.#adaptTrustRegion(fresh)
    const limit = this.#options.max_observations - this.#prior.length
    if (this.#told.length <= limit) return
    this.#told = this.#kept(this.#told, Math.floor(0.8 * limit))
    for (const model of this.#models) model.forget()
  }

  #adaptTrustRegion(fresh: readonly Told[]): void {
    const region = this.#trustRegion
    if (region === undefined) return
    const loss = (t: Told): number | undefined =>
      t.losses && scalarize(this.#options.scalarization, t.losses, this.#context.objectives)
    const known = this.#told.flatMap(t => loss(t) ?? [])
    const tolerance = failureTolerance(this.#encoding.domain.genes.length, this.#context.budget)
    // Scattered candidates say where to begin, not whether the box is right.
    const searching = this.#models[0]!.fit !== undefined
    const adapted = updateTrustRegion(
      searching ? region : { ...region, best: null },
      fresh.map(loss),
      known.length === 0 ? 0 : standardization(known).scale,
      tolerance,
    )
    this.#trustRegion = adapted ?? newTrustRegion(this.#asked)
    if (adapted !== undefined) return
    this.#told = []
    this.#models = this.#newModels([])
  }

  /** At most `count` of these, in their order: good, new and scattered ones. */
  #kept(told: readonly Told[], count: number): Told[] {
    const ranks = told.length <= count ? [] : this.#ranks(told)
    const observations = told.map((t, i) => ({ genome: t.genome, loss: ranks[i] }))
    return selectObservations(this.#encoding, observations, count).map(i => told[i]!)
  }

  /** How good each told trial is, least best: its loss, or the number of its non-dominated front; `undefined`: failed. */
  #ranks(told: readonly Told[]): readonly (number | undefined)[] {
    const { objectives } = this.#context
    const { scalarization } = this.#options
    if (this.#criterion === 'scalarized') {
      return told.map(t => t.losses && scalarize(scalarization, t.losses, objectives))
    }
    const scored = told.flatMap((t, i) => (t.losses === undefined ? [] : [{ i, losses: t.losses }]))
    const ranks = told.map((): number | undefined => undefined)
    const fronts = nonDominatedSort(scored.map(entry => entry.losses))
    for (const [rank, members] of fronts.entries()) for (const k of members) ranks[scored[k]!.i] = rank
    return ranks
  }
}

/** `scalarized` for a single objective, whatever the option. */
type Criterion = 'hypervolume' | 'parego' | 'scalarized'

/** What one candidate maximises. */
interface Target {
  readonly acquisition: Acquisition
  readonly anchors: readonly Genome[]
}

/** @throws {ConfigError} for `hypervolume` with more objectives than it takes. */
function chooseCriterion(option: BayesOptions['criterion'], objectives: number): Criterion {
  if (objectives === 1) return 'scalarized'
  if (option !== 'hypervolume' || objectives <= MAX_HYPERVOLUME_OBJECTIVES) {
    if (option !== 'auto') return option
    return objectives <= MAX_HYPERVOLUME_OBJECTIVES ? 'hypervolume' : 'parego'
  }
  throw new ConfigError(
    `Strategy "bayes" takes criterion "hypervolume" for 2 or 3 objectives, but there are ${objectives}.`,
    { hint: 'Use criterion "parego", or leave it at "auto".' },
  )
}

/** A trust region knows one best point: it takes a single loss. */
function usesTrustRegion(option: BayesOptions['trust_region'], d: number, criterion: Criterion): boolean {
  if (option === true && criterion !== 'scalarized') {
    throw new ConfigError(
      `Strategy "bayes" takes a trust region with one loss, but criterion "${criterion}" has several.`,
      {
        hint: 'Use criterion "scalarized", or leave "trust_region" at "auto".',
      },
    )
  }
  return option === 'auto' ? d > GLOBAL_GENES && criterion === 'scalarized' : option
}

function isTaken(encoding: Encoding, genome: Genome, taken: readonly Float64Array[]): boolean {
  const inputs = encoding.encode(genome)
  return taken.some(other => other.every((value, k) => Math.abs(value - inputs[k]!) < SAME))
}

function distinct(encoding: Encoding, genomes: readonly Genome[]): Genome[] {
  const kept: Genome[] = []
  const taken: Float64Array[] = []
  for (const genome of genomes) {
    if (isTaken(encoding, genome, taken)) continue
    kept.push(genome.slice())
    taken.push(encoding.encode(genome))
  }
  return kept
}

export const bayes: StrategyDefinition<BayesOptions> = {
  kind: KIND,
  reference:
    'Gaussian process and log expected improvement: S. Ament et al., NeurIPS 2023; priors: C. Hvarfner et al., ICML 2024',
  summary: 'Bayesian optimisation with a Gaussian process: the most from few evaluations, up to a few hundred.',
  options: optionsSchema,
  create: (context, options) => new Bayes(context, options, context.rng.split(KIND).state()),
  restore: (context, options, snapshot) => Bayes.restore(context, options, snapshot),
}
