import { z } from 'zod'
import type { CandidateId, Genome, JsonValue } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import { SOBOL_DIMENSIONS, SobolSequence } from '../../numerics/sobol.ts'
import { type Rng, type RngState, restoreRng } from '../../rng.ts'
import { SCALARIZATIONS, scalarize } from '../../scalarization.ts'
import { lossVariances } from '../noise.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition, ToldTrial } from '../strategy.ts'
import { logExpectedImprovement } from './acquisition.ts'
import { type Encoding, encodingOf } from './encoding.ts'
import { Gp } from './gp.ts'
import { maximize, type Region } from './maximize.ts'
import { selectObservations } from './select-observations.ts'
import { extendGp, type Fit, fitSurrogate, type Observation } from './surrogate.ts'

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
    .describe('Model the losses as they are ("none"), by a logarithm ("log"), or whichever their skewness asks for.'),
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
  scalarization: z
    .enum(SCALARIZATIONS)
    .default('worst')
    .describe('How several objectives become one: "worst" normalised objective, or their "mean".'),
})
export type BayesOptions = z.infer<typeof optionsSchema>

const fitSchema = z.strictObject({
  transform: z.strictObject({
    warp: z.enum(['none', 'log']),
    origin: z.number(),
    shift: z.number(),
    scale: z.number(),
  }),
  parameters: z.strictObject({
    lengthscales: z.string(),
    outputscale: z.number(),
    mean: z.number(),
    noise: z.number(),
  }),
  observations: z.number().int(),
  failure: z.number(),
  meanVariance: z.number().nullable(),
})

const stateSchema = z.strictObject({
  rng: rngStateSchema,
  asked: z.number().int().nonnegative(),
  scored: z.number().int().nonnegative(),
  pending: z.array(z.number().int()), // ids asked and not told, in ask order
  pendingGenomes: z.string(), // (pending, d)
  genomes: z.string(), // of the observations kept, in the order they were told, (n, d)
  losses: z.string(), // (n, m); NaN: failed
  variances: z.string(), // (n, m); NaN: unknown
  fit: fitSchema.nullable(),
})

/** A told trial, as much of it as models need. */
interface Told {
  readonly genome: Genome
  readonly losses: readonly number[] | undefined
  readonly variances: readonly (number | undefined)[]
}

/** Unit-cube distance below which two genomes are the same. */
const SAME = 1e-9
/** Fits follow every observation up to this many, then whenever there are this share more. */
const DENSE_FITS = 50
const FIT_GROWTH = 1.05
const FIT_LIMIT = 300
const ANCHORS = 5

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
  #asked = 0
  #scored = 0
  #pending = new Map<CandidateId, Genome>()
  #told: Told[] = []
  #fit: Fit | undefined
  /** Cache: the model of `#fit` and the observations, believed points included. */
  #gp: Gp | undefined
  /** Observations in the cache that were told; more than those are believed. */
  #toldInGp = 0
  #believed: CandidateId[] = []
  #lastValue: number | undefined

  constructor(context: StrategyContext, options: BayesOptions, rng: RngState) {
    const { domain } = context
    const d = domain.genes.length
    if (d === 0) throw new ConfigError('Strategy "bayes" needs at least one gene, got none.')
    this.#context = context
    this.#options = options
    this.#encoding = encodingOf(domain)
    this.#rngState = rng
    this.#rng = restoreRng(rng)
    this.#starts = distinct(this.#encoding, [domain.initial, ...(context.guesses ?? [])])
    this.#prior = (context.prior ?? []).map(trial => this.#toldOf(trial))
    this.#design = d <= SOBOL_DIMENSIONS ? new SobolSequence(d, this.#rng.split('design')) : undefined
  }

  ask(count: number): readonly Proposal[] {
    const proposals: Proposal[] = []
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
      this.#told.push({ ...this.#toldOf(trial), genome })
      if (trial.losses !== undefined) this.#scored++
    }
    this.#limitObservations()
  }

  stopReason(): undefined {
    return undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    const fit = this.#fit
    return {
      observations: this.#told.length,
      pending: this.#pending.size,
      lengthscales: fit === undefined ? null : Array.from(fit.parameters.lengthscales),
      outputscale: fit?.parameters.outputscale ?? null,
      noise: fit?.parameters.noise ?? null,
      transform: fit?.transform.warp ?? null,
      acquisition: this.#lastValue === undefined || Number.isNaN(this.#lastValue) ? null : this.#lastValue,
    }
  }

  snapshot(): Snapshot {
    const d = this.#encoding.domain.genes.length
    const m = this.#context.objectives.length
    const told = this.#told
    const fit = this.#fit
    const state: z.infer<typeof stateSchema> = {
      rng: this.#rngState,
      asked: this.#asked,
      scored: this.#scored,
      pending: [...this.#pending.keys()],
      pendingGenomes: encodeFloat64(flat([...this.#pending.values()], d)),
      genomes: encodeFloat64(
        flat(
          told.map(t => t.genome),
          d,
        ),
      ),
      losses: encodeFloat64(
        flat(
          told.map(t => t.losses ?? Array.from({ length: m }, () => Number.NaN)),
          m,
        ),
      ),
      variances: encodeFloat64(
        flat(
          told.map(t => t.variances.map(v => v ?? Number.NaN)),
          m,
        ),
      ),
      fit:
        fit === undefined
          ? null
          : {
              ...fit,
              parameters: { ...fit.parameters, lengthscales: encodeFloat64(fit.parameters.lengthscales) },
              meanVariance: fit.meanVariance ?? null,
            },
    }
    return { kind: KIND, version: VERSION, state }
  }

  static restore(context: StrategyContext, options: BayesOptions, snapshot: Snapshot): Bayes {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    const d = context.domain.genes.length
    const m = context.objectives.length
    const strategy = new Bayes(context, options, state.rng)
    strategy.#asked = state.asked
    strategy.#scored = state.scored
    const pending = decodeFloat64(state.pendingGenomes, state.pending.length * d)
    strategy.#pending = new Map(state.pending.map((id, i) => [id, pending.slice(i * d, (i + 1) * d)]))
    const genomes = decodeFloat64(state.genomes)
    const n = genomes.length / d
    const losses = decodeFloat64(state.losses, n * m)
    const variances = decodeFloat64(state.variances, n * m)
    strategy.#told = Array.from({ length: n }, (_, i) => ({
      genome: genomes.slice(i * d, (i + 1) * d),
      losses: Number.isNaN(losses[i * m]) ? undefined : Array.from(losses.slice(i * m, (i + 1) * m)),
      variances: Array.from(variances.slice(i * m, (i + 1) * m), v => (Number.isNaN(v) ? undefined : v)),
    }))
    strategy.#fit =
      state.fit === null
        ? undefined
        : {
            ...state.fit,
            parameters: { ...state.fit.parameters, lengthscales: decodeFloat64(state.fit.parameters.lengthscales) },
            meanVariance: state.fit.meanVariance ?? undefined,
          }
    return strategy
  }

  #propose(id: CandidateId): Genome {
    const designed = this.#designPoint(id)
    if (designed !== undefined) return designed
    const observations = this.#observations()
    this.#refit(observations)
    const fit = this.#fit
    if (fit === undefined) return this.#scattered(id)
    const gp = this.#model(fit, observations)
    const best = Math.min(...gp.fittedMeans())
    const scored = observations.filter(o => o.loss !== undefined)
    const anchors = [...scored].sort((a, b) => a.loss! - b.loss!).slice(0, ANCHORS)
    const taken = [...observations.map(o => o.genome), ...this.#pending.values()].map(g => this.#encoding.encode(g))
    const found = maximize(
      logExpectedImprovement(gp, best),
      {
        encoding: this.#encoding,
        region: this.#region(),
        anchors: anchors.map(o => o.genome),
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

  #region(): Region {
    const d = this.#encoding.domain.genes.length
    return { low: new Float64Array(d), high: new Float64Array(d).fill(1) }
  }

  /** The start and known recipes, then scattered points; `undefined` once models take over. */
  #designPoint(id: CandidateId): Genome | undefined {
    const start = this.#starts[id]
    if (start !== undefined) return start.slice()
    const { initial_points: wanted } = this.#options
    const d = this.#encoding.domain.genes.length
    const size = wanted === 'auto' ? Math.min(20, Math.max(6, 2 * d + 2)) : wanted
    if (this.#prior.length >= size) return undefined
    return id < size ? this.#scattered(id) : undefined
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

  #observations(): Observation[] {
    const { objectives } = this.#context
    return [...this.#prior, ...this.#told].map(told => ({
      genome: told.genome,
      loss: told.losses && scalarize(this.#options.scalarization, told.losses, objectives),
      variance: objectives.length === 1 ? told.variances[0] : undefined,
    }))
  }

  #refit(observations: readonly Observation[]): void {
    const n = observations.length
    const before = this.#fit
    if (before !== undefined && n === before.observations) return
    if (before !== undefined && n > DENSE_FITS && n > before.observations && n < FIT_GROWTH * before.observations)
      return
    const { noise, output_transform: transform } = this.#options
    const fit = fitSurrogate(
      this.#encoding,
      observations,
      before,
      { noise, transform, fitLimit: FIT_LIMIT },
      this.#rng.split(`fit ${this.#scored} ${n}`),
    )
    if (fit === undefined) return
    this.#fit = fit
    this.#gp = undefined
  }

  /** The model of all observations, with the points under evaluation believed to come out at their mean ("Kriging believer"). */
  #model(fit: Fit, observations: readonly Observation[]): Gp {
    let gp = this.#gp
    if (gp === undefined) {
      gp = new Gp(this.#encoding, fit.parameters, observations.length + 16)
      this.#gp = gp
      this.#toldInGp = 0
      this.#believed = []
    }
    const pending = [...this.#pending.keys()]
    const unchanged = this.#toldInGp === observations.length && this.#believed.every((id, i) => id === pending[i])
    if (!unchanged) {
      gp.truncate(this.#toldInGp)
      extendGp(gp, this.#encoding, fit, observations, this.#toldInGp)
      this.#toldInGp = observations.length
      this.#believed = []
    }
    for (const id of pending.slice(this.#believed.length)) {
      const inputs = this.#encoding.encode(this.#pending.get(id)!)
      gp.append(inputs, [gp.predict(inputs).mean], [0])
      this.#believed.push(id)
    }
    return gp
  }

  #limitObservations(): void {
    const limit = this.#options.max_observations
    if (this.#told.length <= limit) return
    const { objectives } = this.#context
    const kept = selectObservations(
      this.#encoding,
      this.#told.map(t => ({
        genome: t.genome,
        loss: t.losses && scalarize(this.#options.scalarization, t.losses, objectives),
      })),
      Math.floor(0.8 * limit),
    )
    this.#told = kept.map(i => this.#told[i]!)
    this.#gp = undefined
  }
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

function flat(rows: readonly ArrayLike<number>[], width: number): Float64Array {
  const values = new Float64Array(rows.length * width)
  for (const [i, row] of rows.entries()) values.set(row, i * width)
  return values
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
