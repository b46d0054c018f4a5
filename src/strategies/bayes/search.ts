import { nonDominatedSort } from '../../archive/dominance.ts'
import type { CandidateId, Genome, JsonValue } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import { SOBOL_DIMENSIONS, SobolSequence } from '../../numerics/sobol.ts'
import { referencePoint } from '../../objective.ts'
import { type Rng, type RngState, restoreRng } from '../../rng.ts'
import { lossPieces, scalarize } from '../../scalarization.ts'
import { aroundStart } from '../initial-spread.ts'
import { lossVariances } from '../noise.ts'
import { paregoPieces } from '../pareto-scalarization.ts'
import { snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, ToldTrial } from '../strategy.ts'
import { isForWinner } from '../winner-share.ts'
import { type Acquisition, logExpectedImprovement } from './acquisition.ts'
import { type Aim, chooseAim, usesTrustRegion } from './aim.ts'
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
import type { Criterion } from './multi-objective/criterion.ts'
import { hypervolumeCriterion } from './multi-objective/hypervolume-criterion.ts'
import { scalarizedCriterion } from './multi-objective/scalarized-criterion.ts'
import { noisyLogExpectedImprovement } from './noisy-log-ei.ts'
import type { BayesOptions } from './options.ts'
import { standardization, toTarget } from './output-transform.ts'
import { selectObservations } from './select-observations.ts'
import type { Fit } from './surrogate.ts'
import { failureTolerance, newTrustRegion, type TrustRegion, trustBox, updateTrustRegion } from './trust-region.ts'

export const KIND = 'bayes'
const VERSION = 3

/** Unit-cube distance below which two genomes are the same. */
const SAME = 1e-9
const FIT_LIMIT = 300
/** Of the observations the model keeps, what trials of earlier runs may take. */
const PRIOR_SHARE = 0.5
const ANCHORS = 5
/** Draws that look for a genome not asked for before. */
const RANDOM_TRIES = 100
/** Noise, in deviations of the losses, from which the best value counts as unknown; and draws of what it may be. */
const NOISY = 0.1
const NOISY_DRAWS = 16

export class Bayes implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #options: BayesOptions
  readonly #encoding: Encoding
  readonly #rngState: RngState
  readonly #rng: Rng
  readonly #starts: readonly Genome[]
  readonly #prior: readonly Told[]
  readonly #design: SobolSequence | undefined
  readonly #aim: Aim
  /** One per objective. */
  #models: readonly Model[]
  #asked = 0
  #pending = new Map<CandidateId, Genome>()
  /** What models rest on, in the order of the proposals that first knew of them and then of ids. */
  #told: Told[] = []
  /** Told since the last proposal: in which order must not matter. */
  #fresh = new Map<CandidateId, Told>()
  #trustRegion: TrustRegion | undefined
  /** Whether any loss was estimated from some of the examples. */
  #hasEstimates = false
  #lastValue: number | undefined
  #expectedGain: number | undefined

  constructor(context: StrategyContext, options: BayesOptions, rng: RngState) {
    const { domain } = context
    const d = domain.genes.length
    if (d === 0) throw new ConfigError('Strategy "bayes" needs at least one gene, got none.')
    this.#context = context
    this.#options = options
    this.#encoding = encodingOf(domain)
    this.#aim = chooseAim(options.criterion, context.objectives.length)
    this.#models = this.#newModels([])
    this.#rngState = rng
    this.#rng = restoreRng(rng)
    this.#starts = distinct(this.#encoding, [domain.initial, ...(context.guesses ?? [])])
    this.#hasEstimates = (context.prior ?? []).some(trial => trial.standardErrors !== undefined)
    this.#prior = this.#kept(
      (context.prior ?? []).map(trial => this.#toldOf(trial)),
      Math.floor(PRIOR_SHARE * options.max_observations),
    )
    this.#trustRegion = usesTrustRegion(options.trust_region, d, this.#aim) ? newTrustRegion(0) : undefined
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
      if (trial.standardErrors !== undefined && !this.#hasEstimates) {
        this.#hasEstimates = true
        this.#models = this.#newModels([])
      }
      this.#fresh.set(trial.id, { ...this.#toldOf(trial), genome })
    }
  }

  /**
   * Logarithm of what the model expected to gain by the latest proposal, in deviations of the (transformed) losses; `undefined` where no model of one exact
   * loss made it. Not part of the snapshot.
   */
  get expectedGain(): number | undefined {
    return this.#expectedGain
  }

  /** The least scalarised loss told; `undefined` if there is none. */
  leastLoss(): number | undefined {
    const losses = [...this.#told, ...this.#fresh.values()].flatMap(t => this.#scalarLoss(t) ?? [])
    return losses.length === 0 ? undefined : losses.reduce((a, b) => Math.min(a, b))
  }

  stopReason(): undefined {
    return undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    return {
      criterion: this.#aim,
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
      hasEstimates: this.#hasEstimates,
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
    strategy.#hasEstimates = state.hasEstimates
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
    this.#expectedGain = undefined
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
    // NaN: every climb ended at a point that is known.
    if (target.isExact) this.#expectedGain = Number.isNaN(found.value) ? Number.NEGATIVE_INFINITY : found.value
    return found.genome
  }

  /** The whole cube, or the trust region around the best genome. */
  #region(best: Genome | undefined): Region {
    const d = this.#encoding.domain.genes.length
    const fits = this.#models.flatMap(model => model.fit ?? [])
    if (this.#trustRegion === undefined || fits.length === 0 || best === undefined) {
      return { low: new Float64Array(d), high: new Float64Array(d).fill(1) }
    }
    const lengthscales = geometricMean(fits.map(fit => fit.parameters.lengthscales))
    return trustBox(this.#encoding, lengthscales, best, this.#trustRegion.length)
  }

  /** The start and known recipes, then scattered points; `undefined` once models take over. */
  #designPoint(id: CandidateId): Genome | undefined {
    const start = this.#starts[id]
    if (start !== undefined) return start.slice()
    const size = designSize(this.#options, this.#encoding.domain.genes.length)
    const since = id - (this.#trustRegion?.firstId ?? 0)
    if (this.#prior.length >= size && since === id) return undefined
    return since < size ? this.#scattered(id) : undefined
  }

  /** Around the start; anywhere, where that has been asked for already, as happens with genes of few values. */
  #scattered(id: CandidateId): Genome {
    const { domain } = this.#encoding
    const rng = this.#rng.split(`scattered ${id}`)
    const uniform = (): Float64Array => Float64Array.from(domain.genes, () => rng.uniform())
    const point = this.#design?.point(id - this.#starts.length) ?? uniform()
    let genome = this.#encoding.decode(aroundStart(domain, point, this.#options.initial_spread))
    if (domain.genes.some(gene => gene.kind === 'real')) return genome
    const known = [...this.#told, ...this.#fresh.values()].map(t => t.genome)
    const taken = [...known, ...this.#pending.values()].map(other => this.#encoding.encode(other))
    for (let tries = 0; tries < RANDOM_TRIES && isTaken(this.#encoding, genome, taken); tries++) {
      genome = this.#encoding.decode(uniform())
    }
    return genome
  }

  #scalarLoss({ losses }: Told): number | undefined {
    return losses && scalarize(this.#options.scalarization, losses, this.#context.objectives)
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
    // Where all candidates see the same examples, their choice errs for all alike: what other examples would say is no noise between them.
    const { noise } = this.#options
    const isNoiseKnown = noise === 'known' || (noise === 'auto' && this.#hasEstimates)
    const gps = []
    for (const [j, model] of this.#models.entries()) {
      const observations = told.map(t => ({
        genome: t.genome,
        loss: t.losses?.[j],
        variance: isNoiseKnown ? t.variances[j] : undefined,
      }))
      model.update(observations, this.#rng.split(this.#models.length === 1 ? `fit ${id}` : `fit ${id} ${j}`))
      const gp = model.process(observations, this.#pending)
      if (gp === undefined) return undefined
      gps.push(gp)
    }
    const genomes = [...told.map(t => t.genome), ...this.#pending.values()]
    const { acquisition, anchors } =
      this.#models.length === 1 ? this.#lossTarget(id, gps[0]!, told) : this.#objectivesTarget(id, gps, told)
    return {
      isExact: this.#models.length === 1 && !this.#isNoisy(gps[0]!),
      acquisition,
      anchors: anchors.map(i => genomes[i]!),
    }
  }

  #lossTarget(id: CandidateId, gp: Gp, told: readonly Told[]): Criterion {
    const means = gp.fittedMeans()
    // Around the best by the model, not by the loss seen: under noise the least loss is the luckiest.
    const order = told.map((_, i) => i).filter(i => told[i]!.losses !== undefined)
    order.sort((a, b) => means[a]! - means[b]! || a - b)
    const acquisition = this.#isNoisy(gp)
      ? noisyLogExpectedImprovement(gp, NOISY_DRAWS, this.#rng.split(`draws ${id}`))
      : logExpectedImprovement(
          gp,
          means.reduce((a, b) => Math.min(a, b)),
        )
    return { acquisition, anchors: order.slice(0, ANCHORS) }
  }

  #isNoisy(gp: Gp): boolean {
    const { acquisition } = this.#options
    return acquisition === 'auto' ? gp.meanNoise() > NOISY ** 2 : acquisition === 'noisy-log-ei'
  }

  #objectivesTarget(id: CandidateId, gps: readonly Gp[], told: readonly Told[]): Criterion {
    const { objectives } = this.#context
    const forWinner = isForWinner(id, this.#options.winner_share)
    const transforms = this.#models.map(model => model.fit!.transform)
    if (this.#aim === 'hypervolume' && !forWinner) {
      const limits = referencePoint(objectives).map((loss, j) => toTarget(transforms[j]!, loss))
      return hypervolumeCriterion(gps, limits, ANCHORS)
    }
    const pieces =
      this.#aim === 'parego' && !forWinner
        ? paregoPieces(
            told.flatMap(t => (t.losses === undefined ? [] : [t.losses])),
            this.#rng.split(`weights ${id}`),
          )
        : lossPieces(this.#options.scalarization, objectives)
    return scalarizedCriterion(gps, transforms, pieces, ANCHORS)
  }

  #newModels(fits: readonly (Fit | undefined)[]): readonly Model[] {
    const { noise, output_transform } = this.#options
    const m = this.#context.objectives.length
    // Hypervolume is measured in the losses' own units and scalarisations are piecewise affine in them, which an affine transform keeps.
    const transform = m === 1 ? output_transform : 'none'
    return Array.from(
      { length: m },
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
    const known = this.#told.flatMap(t => this.#scalarLoss(t) ?? [])
    const tolerance = failureTolerance(this.#encoding.domain.genes.length, this.#context.budget)
    // Scattered candidates say where to begin, not whether the box is right.
    const searching = this.#models[0]!.fit !== undefined
    const adapted = updateTrustRegion(
      searching ? region : { ...region, best: null },
      fresh.map(t => this.#scalarLoss(t)),
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
    if (this.#aim === 'scalarized') {
      return told.map(t => t.losses && scalarize(scalarization, t.losses, objectives))
    }
    const scored = told.flatMap((t, i) => (t.losses === undefined ? [] : [{ i, losses: t.losses }]))
    const ranks = told.map((): number | undefined => undefined)
    const fronts = nonDominatedSort(scored.map(entry => entry.losses))
    for (const [rank, members] of fronts.entries()) for (const k of members) ranks[scored[k]!.i] = rank
    return ranks
  }
}

/** What one candidate maximises. */
interface Target {
  /** The logarithm of the expected improvement of a loss that is known but for negligible noise. */
  readonly isExact: boolean
  readonly acquisition: Acquisition
  readonly anchors: readonly Genome[]
}

/** Scattered candidates before the first model. */
export function designSize({ initial_points: wanted }: BayesOptions, genes: number): number {
  return wanted === 'auto' ? Math.min(20, Math.max(6, 2 * genes + 2)) : wanted
}

function isTaken(encoding: Encoding, genome: Genome, taken: readonly Float64Array[]): boolean {
  const inputs = encoding.encode(genome)
  return taken.some(other => other.every((value, k) => Math.abs(value - inputs[k]!) < SAME))
}

/** Per coordinate, of vectors of equal shape. */
function geometricMean(vectors: readonly Float64Array[]): Float64Array {
  return vectors[0]!.map((_, k) => Math.exp(vectors.reduce((sum, v) => sum + Math.log(v[k]!), 0) / vectors.length))
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
