import { z } from 'zod'
import type { Domain, Genome, JsonValue, StopReason } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import { type Rng, restoreRng } from '../../rng.ts'
import { SCALARIZATIONS, scalarize } from '../../scalarization.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition, ToldTrial } from '../strategy.ts'
import { fromUnitCube, toUnitCube } from '../unit-cube.ts'
import { fromUnitInterval, intoUnitInterval } from './bound-transform.ts'
import { firstRun, nextRun, RESTARTS, type RestartState, type RunPlan, restartStateSchema } from './cma-es-restarts.ts'
import { CmaEsRun, cmaEsConstants, defaultPopulationSize } from './cma-es-run.ts'
import { CmaEsStop, isFlat, stopStateSchema } from './cma-es-stop.ts'
import { nextSample, SAMPLINGS } from './orthogonal-sampling.ts'

/**
 * CMA-ES as a strategy: runs of `CmaEsRun` on the unit cube, one after another, each until `CmaEsStop` says it is over, with
 * populations and step sizes by `nextRun`. The distribution lives on the real line and is folded into the bounds (`bound-transform.ts`).
 *
 * A generation is λ samples; it is learned from when all of them have been told, ordered by (loss, id), failed ones last. The
 * first generation of each run carries one *guest* that is scored but takes no part in the ranking: the declared start for the
 * first run, the final mean of the run before for the others (under noise the mean is better than the best sample seen). That
 * costs one evaluation per run and leaves the algorithm as published.
 */
const KIND = 'cma-es'
const VERSION = 1

/** Standard deviation of a gene, in box widths, beyond which the folded distribution is as good as uniform. */
const MAX_DEVIATION = 1 / 3

const optionsSchema = z.strictObject({
  // On quadratics with a condition number of 100 and d = 4, 12, 36, started from the middle: where the optimum lies within a quarter
  // of the range, 0.15 is ahead of 0.3 by 0.3 to 0.8 decades after 300 evaluations, where it lies near the bounds, behind by at most 0.2.
  sigma0: z
    .number()
    .positive()
    .max(1)
    .default(0.15)
    .describe('Initial step size: standard deviation of every gene, as a share of its range.'),
  population_size: z
    .union([z.literal('auto'), z.number().int().min(4).max(100_000)])
    .default('auto')
    .describe('Candidates per generation; "auto" is 4 + floor(3 ln d) for d genes.'),
  active: z
    .boolean()
    .default(true)
    .describe('Also learn from the worse half of a generation, by negative covariance weights.'),
  sampling: z
    .enum(SAMPLINGS)
    .default('orthogonal')
    .describe(
      'How a generation is drawn: in "orthogonal" directions (fewer evaluations), or each candidate "independent".',
    ),
  restarts: z
    .enum(RESTARTS)
    .default('bipop')
    .describe(
      'When a run has converged: "ipop" starts again with twice the population, "bipop" alternates that with small ' +
        'local runs, "none" ends the search.',
    ),
  scalarization: z
    .enum(SCALARIZATIONS)
    .default('worst')
    .describe('How several objectives become one: "worst" normalised objective, or their "mean".'),
  tolx: z
    .number()
    .nonnegative()
    .default(1e-11)
    .describe('A run ends when every step is smaller than this share of a gene’s range.'),
  tolfun: z
    .number()
    .nonnegative()
    .default(1e-11)
    .describe('A run ends when its generation and its recent best losses lie within this range.'),
  tolfunhist: z
    .number()
    .nonnegative()
    .default(1e-12)
    .describe('A run ends when its recent best losses lie within this range.'),
  tolflatfitness: z
    .number()
    .int()
    .positive()
    .default(10)
    .describe('A run ends after this many generations in a row whose better three quarters score the same.'),
})
export type CmaEsOptions = z.infer<typeof optionsSchema>

const stateSchema = z.strictObject({
  rng: rngStateSchema,
  firstId: z.number().int(), // id of the generation's first candidate
  guest: z.string().nullable(), // genome scored with this generation but not learned from
  asked: z.number().int(), // of this generation, the guest included
  samples: z.string(), // z of the samples asked so far, in ask order
  told: z.array(z.number().int()), // positions in the generation, ascending
  losses: z.string(), // of those; NaN: failed
  run: z.strictObject({
    populationSize: z.number().int(),
    sigma0: z.number(),
    sigma: z.number(),
    generation: z.number().int(),
    eigenGeneration: z.number().int(),
    mean: z.string(),
    covariance: z.string(),
    axes: z.string(),
    vectors: z.string(),
    pSigma: z.string(),
    pC: z.string(),
  }),
  maxGenerations: z.number().int().nullable(),
  runEvaluations: z.number().int(),
  stop: stopStateSchema,
  restarts: restartStateSchema,
  best: z.strictObject({ id: z.number().int(), loss: z.number() }).nullable(),
  lastStop: z.strictObject({ criterion: z.string(), detail: z.string() }).nullable(),
  phase: z.enum(['searching', 'last-guest', 'stopped']),
})

/** `last-guest`: the only run has ended and its final mean is being scored. */
type Phase = z.infer<typeof stateSchema>['phase']

class CmaEs implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #options: CmaEsOptions
  readonly #rng: Rng
  #run: CmaEsRun
  #stop: CmaEsStop
  #restarts: RestartState
  #maxGenerations: number | undefined
  #runEvaluations = 0
  #firstId = 0
  #guest: Genome | undefined
  #asked = 0
  #samples: Float64Array[] = []
  /** By position in the generation; `undefined`: failed. */
  #losses = new Map<number, number | undefined>()
  #best: { readonly id: number; readonly loss: number } | undefined
  #lastStop: StopReason | undefined
  #phase: Phase = 'searching'

  constructor(context: StrategyContext, options: CmaEsOptions, rng: Rng) {
    requireRealGenes(context.domain)
    this.#context = context
    this.#options = options
    this.#rng = rng
    const plan = firstRun(this.#basePopulation())
    const start = toUnitCube(context.domain, context.domain.initial).map(fromUnitInterval)
    this.#run = this.#startRun(plan, start)
    this.#stop = new CmaEsStop(this.#run, options, plan.maxGenerations)
    this.#restarts = plan.state
    this.#maxGenerations = plan.maxGenerations
    this.#guest = context.domain.initial.slice()
  }

  ask(count: number): readonly Proposal[] {
    const proposals: Proposal[] = []
    while (proposals.length < count && this.#asked < this.#generationSize()) {
      proposals.push({ genome: this.#next() })
      this.#asked++
    }
    return proposals
  }

  tell(trials: readonly ToldTrial[]): void {
    for (const trial of trials) {
      const position = trial.id - this.#firstId
      if (position < 0 || position >= this.#asked || this.#losses.has(position)) {
        throw new RangeError(`Expected the id of a candidate asked for and not yet told, got ${trial.id}.`)
      }
      const loss = trial.losses && scalarize(this.#options.scalarization, trial.losses, this.#context.objectives)
      const known = loss !== undefined && Number.isFinite(loss) ? loss : undefined
      this.#losses.set(position, known)
    }
    if (this.#losses.size === this.#generationSize()) this.#learn()
  }

  stopReason(): StopReason | undefined {
    return this.#phase === 'stopped' ? this.#lastStop : undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    const run = this.#run
    const deviations = Array.from(run.mean, (_, i) => run.deviation(i))
    const { shortest, longest } = run.axisRange()
    return {
      run: this.#restarts.run,
      regime: this.#restarts.regime,
      generation: run.generation,
      populationSize: run.constants.populationSize,
      sigma: run.sigma,
      smallestDeviation: Math.min(...deviations),
      largestDeviation: Math.max(...deviations),
      axisRatio: longest / shortest,
      bestLoss: this.#best?.loss ?? null,
      lastStop: this.#lastStop?.criterion ?? null,
    }
  }

  snapshot(): Snapshot {
    const told = [...this.#losses.keys()].sort((a, b) => a - b)
    const state: z.infer<typeof stateSchema> = {
      rng: this.#rng.state(),
      firstId: this.#firstId,
      guest: this.#guest === undefined ? null : encodeFloat64(this.#guest),
      asked: this.#asked,
      samples: encodeFloat64(concatenate(this.#samples)),
      told,
      losses: encodeFloat64(Float64Array.from(told, position => this.#losses.get(position) ?? Number.NaN)),
      run: this.#run.snapshot(),
      maxGenerations: this.#maxGenerations ?? null,
      runEvaluations: this.#runEvaluations,
      stop: this.#stop.snapshot(),
      restarts: this.#restarts,
      best: this.#best ?? null,
      lastStop: this.#lastStop ?? null,
      phase: this.#phase,
    }
    return { kind: KIND, version: VERSION, state }
  }

  static restore(context: StrategyContext, options: CmaEsOptions, snapshot: Snapshot): CmaEs {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    const d = context.domain.genes.length
    const strategy = new CmaEs(context, options, restoreRng(state.rng))
    strategy.#run = CmaEsRun.restore(state.run, cmaEsConstants(d, state.run.populationSize, options.active))
    strategy.#maxGenerations = state.maxGenerations ?? undefined
    strategy.#stop = CmaEsStop.restore(state.stop, strategy.#run, options, strategy.#maxGenerations)
    strategy.#restarts = state.restarts
    strategy.#runEvaluations = state.runEvaluations
    strategy.#firstId = state.firstId
    strategy.#guest = state.guest === null ? undefined : decodeFloat64(state.guest, d)
    strategy.#asked = state.asked
    const samples = decodeFloat64(state.samples)
    strategy.#samples = Array.from({ length: samples.length / d }, (_, i) => samples.slice(i * d, (i + 1) * d))
    const losses = decodeFloat64(state.losses, state.told.length)
    strategy.#losses = new Map(state.told.map((position, i) => [position, finite(losses[i]!)]))
    strategy.#best = state.best ?? undefined
    strategy.#lastStop = state.lastStop ?? undefined
    strategy.#phase = state.phase
    return strategy
  }

  #basePopulation(): number {
    const { population_size: size } = this.#options
    return size === 'auto' ? defaultPopulationSize(this.#context.domain.genes.length) : size
  }

  #generationSize(): number {
    if (this.#phase === 'stopped') return 0
    const guests = this.#guest === undefined ? 0 : 1
    return this.#phase === 'last-guest' ? guests : guests + this.#run.constants.populationSize
  }

  #next(): Genome {
    if (this.#guest !== undefined && this.#asked === 0) return this.#guest.slice()
    const z = nextSample(this.#options.sampling, this.#rng, this.#run.mean.length, this.#samples)
    this.#samples.push(z)
    return this.#genome(this.#run.point(z))
  }

  #genome(y: Float64Array): Genome {
    return fromUnitCube(this.#context.domain, y.map(intoUnitInterval))
  }

  /** All of the generation has been told. */
  #learn(): void {
    const size = this.#generationSize()
    for (let position = 0; position < size; position++) {
      const loss = this.#losses.get(position)
      if (loss !== undefined && (this.#best === undefined || loss < this.#best.loss)) {
        this.#best = { id: this.#firstId + position, loss }
      }
    }
    const guests = size - this.#samples.length
    const ranked = this.#samples
      .map((z, i) => ({ z, loss: this.#losses.get(guests + i) ?? Number.POSITIVE_INFINITY }))
      .sort((a, b) => (a.loss < b.loss ? -1 : a.loss > b.loss ? 1 : 0)) // stable: equal losses stay in id order
    this.#firstId += size
    this.#runEvaluations += size
    this.#guest = undefined
    this.#asked = 0
    this.#samples = []
    this.#losses = new Map()
    if (this.#phase === 'last-guest') {
      this.#phase = 'stopped'
      return
    }
    // A generation without a single score says nothing about where to go: sample it again.
    if (ranked[0]!.loss === Number.POSITIVE_INFINITY) return

    const losses = ranked.map(entry => entry.loss)
    const run = this.#run
    run.update(ranked.map(entry => entry.z))
    // Nearly all samples on one plateau: look further around (the escape of Hansen's C and Matlab codes).
    if (isFlat(losses)) run.inflate(Math.exp(0.2 + run.constants.cSigma / run.constants.dSigma))
    run.limitDeviations(MAX_DEVIATION)
    const stop = this.#stop.observe(run, losses)
    if (stop !== undefined) this.#endRun(stop)
  }

  #endRun(stop: StopReason): void {
    this.#lastStop = stop
    this.#guest = this.#genome(this.#run.mean)
    const { restarts } = this.#options
    if (restarts === 'none') {
      this.#phase = 'last-guest'
      return
    }
    const d = this.#context.domain.genes.length
    const plan = nextRun(restarts, this.#restarts, this.#runEvaluations, this.#basePopulation(), d, this.#rng)
    // A uniform start, not the declared one again: equal on plateaus, and it finds other basins.
    const start = Float64Array.from({ length: d }, () => fromUnitInterval(this.#rng.uniform()))
    this.#run = this.#startRun(plan, start)
    this.#stop = new CmaEsStop(this.#run, this.#options, plan.maxGenerations)
    this.#restarts = plan.state
    this.#maxGenerations = plan.maxGenerations
    this.#runEvaluations = 0
  }

  #startRun(plan: RunPlan, mean: Float64Array): CmaEsRun {
    const constants = cmaEsConstants(mean.length, plan.populationSize, this.#options.active)
    return new CmaEsRun(mean, this.#options.sigma0 * plan.sigmaFactor, constants)
  }
}

function requireRealGenes(domain: Domain): void {
  if (domain.genes.length === 0) throw new ConfigError('Strategy "cma-es" needs at least one gene, got none.')
  for (const gene of domain.genes) {
    if (gene.kind === 'real') continue
    throw new ConfigError(`Strategy "cma-es" searches real genes only, but gene "${gene.name}" is ${gene.kind}.`, {
      hint: `Use strategy "random" or "sobol", or give "${gene.name}" a fixed value.`,
    })
  }
}

function concatenate(parts: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined
}

export const cmaEs: StrategyDefinition<CmaEsOptions> = {
  kind: KIND,
  reference:
    'N. Hansen, "The CMA Evolution Strategy: A Tutorial", 2016, https://arxiv.org/abs/1604.00772; restarts: N. Hansen, GECCO 2009 workshop',
  summary: 'Covariance matrix adaptation: the default for real genes and more than a few hundred evaluations.',
  options: optionsSchema,
  create: (context, options) => new CmaEs(context, options, context.rng.split(KIND)),
  restore: (context, options, snapshot) => CmaEs.restore(context, options, snapshot),
}
