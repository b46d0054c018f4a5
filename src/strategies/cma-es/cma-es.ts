import { z } from 'zod'
import type { Genome, JsonValue, StopReason } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import { toLoss } from '../../objective.ts'
import { type Rng, restoreRng } from '../../rng.ts'
import { scalarize } from '../../scalarization.ts'
import { encodingOf } from '../bayes/encoding.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition, ToldTrial } from '../strategy.ts'
import { type CmaEsOptions, cmaEsDescription } from './cma-es-options.ts'
import { firstRun, nextRun, type RestartState, type RunPlan, restartStateSchema } from './cma-es-restarts.ts'
import { defaultPopulationSize } from './cma-es-run.ts'
import { CmaEsStop, stopStateSchema } from './cma-es-stop.ts'
import { CornerSearch, cornerSearchStateSchema } from './corner-search.ts'
import { covarianceModel } from './covariance-model.ts'
import { Genotype } from './genotype.ts'
import { injectionLimit } from './injection.ts'
import { LossMemory } from './loss-memory.ts'
import { lossStep } from './loss-step.ts'
import { MixedRun, type MixedStart, mixedRunStateSchema, type Sample } from './mixed-run.ts'
import { promisingCount, promisingDistribution } from './warm-start.ts'

/**
 * CMA-ES as a strategy: runs of `MixedRun` on the genes' ranges, one after another, each until `CmaEsStop` says it is over, with
 * populations and step sizes by `nextRun`.
 *
 * A generation is λ samples; it is learned from when all of them have been told, ordered by (loss, id), failed ones last. The
 * first generation of each run carries one *guest* that is scored but takes no part in the ranking: the declared start for the
 * first run, the final mean of the run before for the others (under noise the mean is better than the best sample seen). That
 * costs one evaluation per run and leaves the algorithm as published. Known recipes (`guesses`) are guests of the very first
 * generation, too; the best of them take the place of samples and are learned from (`injection.ts`). Corners of the
 * box that are worth a look are guests as well, and not learned from (`corner-search.ts`).
 */
const KIND = cmaEsDescription.kind
const VERSION = 3

const stateSchema = z.strictObject({
  rng: rngStateSchema,
  firstId: z.number().int(), // id of the generation's first candidate
  guests: z.string(), // genomes scored with this generation before its samples
  asked: z.number().int(), // of this generation, the guests included
  samples: z.strictObject({ z: z.string(), choices: z.array(z.number().int()) }), // in ask order
  told: z.array(z.number().int()), // positions in the generation, ascending
  losses: z.string(), // of those; NaN: failed
  lossStep: z.number().nullable(), // null: no trial told yet
  run: mixedRunStateSchema,
  maxGenerations: z.number().int().nullable(),
  runEvaluations: z.number().int(),
  stop: stopStateSchema,
  restarts: restartStateSchema,
  best: z.strictObject({ id: z.number().int(), loss: z.number() }).nullable(),
  lastStop: z.strictObject({ criterion: z.string(), detail: z.string() }).nullable(),
  phase: z.enum(['searching', 'last-guest', 'stopped']),
  corners: cornerSearchStateSchema,
  memory: z.strictObject({ generation: z.string(), earlier: z.string() }).default({ generation: '', earlier: '' }), // where losses are estimates
})

/** `last-guest`: the only run has ended and its final mean is being scored. */
type Phase = z.infer<typeof stateSchema>['phase']

/** Corners scored with a generation while one is the best candidate, as a share of its samples: a quarter. */
const CORNER_SHARE = 1 / 4

class CmaEs implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #options: CmaEsOptions
  readonly #genotype: Genotype
  readonly #rng: Rng
  #run: MixedRun
  #stop: CmaEsStop
  #restarts: RestartState
  #maxGenerations: number | undefined
  #runEvaluations = 0
  #firstId = 0
  /** Scored with this generation before its samples: one at most that is not learned from, in the very first then the guesses. */
  #guests: readonly Genome[]
  #asked = 0
  #samples: Sample[] = []
  /** By position in the generation; `undefined`: failed. */
  #losses = new Map<number, number | undefined>()
  /** Smallest step of the losses so far, 0 where they are not on a grid, infinite before any. */
  #lossStep = Number.POSITIVE_INFINITY
  #best: { readonly id: number; readonly loss: number } | undefined
  #lastStop: StopReason | undefined
  #phase: Phase = 'searching'
  #corners = new CornerSearch()
  readonly #memory: LossMemory

  constructor(context: StrategyContext, options: CmaEsOptions, rng: Rng) {
    if (context.domain.genes.length === 0) throw new ConfigError('Strategy "cma-es" needs at least one gene, got none.')
    this.#context = context
    this.#options = options
    this.#rng = rng
    this.#genotype = new Genotype(context.domain, options.boundary)
    requireFeasible(options, context, this.#genotype.dimension)
    this.#memory = new LossMemory(encodingOf(context.domain), context.objectives, options.scalarization)
    const plan = firstRun(this.#basePopulation())
    this.#run = this.#startRun(plan, this.#firstStart())
    this.#stop = new CmaEsStop(this.#run.view(), options, plan.maxGenerations)
    this.#restarts = plan.state
    this.#maxGenerations = plan.maxGenerations
    this.#guests = distinct([context.domain.initial, ...(context.guesses ?? [])])
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
    const { objectives } = this.#context
    const { scalarization } = this.#options
    for (const trial of trials) {
      const position = trial.id - this.#firstId
      if (position < 0 || position >= this.#asked || this.#losses.has(position)) {
        throw new RangeError(`Expected the id of a candidate asked for and not yet told, got ${trial.id}.`)
      }
      const loss = trial.losses && scalarize(scalarization, trial.losses, objectives)
      const known = loss !== undefined && Number.isFinite(loss) ? loss : undefined
      this.#losses.set(position, known)
      if (known === undefined) continue
      this.#memory.hear(position, trial, known)
      this.#lossStep = Math.min(this.#lossStep, lossStep(trial, objectives, scalarization))
    }
    if (this.#losses.size === this.#generationSize()) this.#learn()
  }

  stopReason(): StopReason | undefined {
    return this.#phase === 'stopped' ? this.#lastStop : undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    const run = this.#run.view()
    const deviations = Array.from(run.mean, (_, i) => run.deviation(i))
    const { shortest, longest } = run.axisRange()
    return {
      run: this.#restarts.run,
      regime: this.#restarts.regime,
      covariance: this.#run.covariance,
      generation: run.generation,
      populationSize: run.constants.populationSize,
      sigma: run.sigma,
      smallestDeviation: Math.min(...deviations),
      largestDeviation: Math.max(...deviations),
      axisRatio: longest / shortest,
      learningRates: this.#run.rates === undefined ? null : { ...this.#run.rates },
      bestLoss: this.#best?.loss ?? null,
      lastStop: this.#lastStop?.criterion ?? null,
    }
  }

  snapshot(): Snapshot {
    const told = [...this.#losses.keys()].sort((a, b) => a - b)
    const state: z.infer<typeof stateSchema> = {
      rng: this.#rng.state(),
      firstId: this.#firstId,
      guests: encodeFloat64(Float64Array.from(this.#guests.flatMap(guest => [...guest]))),
      asked: this.#asked,
      samples: {
        z: encodeFloat64(Float64Array.from(this.#samples.flatMap(sample => [...sample.z]))),
        choices: this.#samples.flatMap(sample => [...sample.choices]),
      },
      told,
      losses: encodeFloat64(Float64Array.from(told, position => this.#losses.get(position) ?? Number.NaN)),
      lossStep: Number.isFinite(this.#lossStep) ? this.#lossStep : null,
      run: this.#run.snapshot(),
      maxGenerations: this.#maxGenerations ?? null,
      runEvaluations: this.#runEvaluations,
      stop: this.#stop.snapshot(),
      restarts: this.#restarts,
      best: this.#best ?? null,
      lastStop: this.#lastStop ?? null,
      phase: this.#phase,
      corners: this.#corners.snapshot(),
      memory: this.#memory.snapshot(),
    }
    return { kind: KIND, version: VERSION, state }
  }

  static restore(context: StrategyContext, options: CmaEsOptions, snapshot: Snapshot): CmaEs {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    const strategy = new CmaEs({ ...context, prior: [] }, options, restoreRng(state.rng))
    const genotype = strategy.#genotype
    strategy.#run = MixedRun.restore(genotype, state.run, options)
    strategy.#maxGenerations = state.maxGenerations ?? undefined
    strategy.#stop = CmaEsStop.restore(state.stop, strategy.#run.view(), options, strategy.#maxGenerations)
    strategy.#restarts = state.restarts
    strategy.#runEvaluations = state.runEvaluations
    strategy.#firstId = state.firstId
    strategy.#guests = rows(decodeFloat64(state.guests), context.domain.genes.length)
    strategy.#asked = state.asked
    const width = genotype.choiceCounts.length
    strategy.#samples = rows(decodeFloat64(state.samples.z), genotype.dimension).map((z, i) => ({
      z,
      choices: state.samples.choices.slice(i * width, (i + 1) * width),
      injected: false,
    }))
    const losses = decodeFloat64(state.losses, state.told.length)
    strategy.#losses = new Map(state.told.map((position, i) => [position, finite(losses[i]!)]))
    strategy.#lossStep = state.lossStep ?? Number.POSITIVE_INFINITY
    strategy.#best = state.best ?? undefined
    strategy.#lastStop = state.lastStop ?? undefined
    strategy.#phase = state.phase
    strategy.#corners = CornerSearch.restore(state.corners)
    strategy.#memory.restore(state.memory)
    return strategy
  }

  #basePopulation(): number {
    const { population_size: size } = this.#options
    return size === 'auto' ? defaultPopulationSize(this.#context.domain.genes.length) : size
  }

  #populationSize(): number {
    return this.#run.distribution.constants.populationSize
  }

  #generationSize(): number {
    if (this.#phase === 'stopped') return 0
    const guests = this.#guests.length
    return this.#phase === 'last-guest' ? guests : guests + this.#populationSize() - this.#injections()
  }

  /** How many guesses take the place of samples in this generation; only the very first has any. */
  #injections(): number {
    if (this.#firstId > 0) return 0
    return Math.min(Math.max(0, this.#guests.length - 1), injectionLimit(this.#populationSize()))
  }

  #next(): Genome {
    const guest = this.#guests[this.#asked]
    if (guest !== undefined) return guest.slice()
    const sample = this.#run.sample(this.#rng, this.#samples)
    this.#samples.push(sample)
    return this.#run.genome(sample)
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
    const told = this.#memory.rank() ?? this.#losses
    const lossAt = (position: number): number => told.get(position) ?? Number.POSITIVE_INFINITY
    const guesses = this.#guests
      .map((genome, position) => ({ genome, loss: lossAt(position) }))
      .slice(1)
      .sort((a, b) => (a.loss < b.loss ? -1 : a.loss > b.loss ? 1 : 0))
      .slice(0, this.#injections())
    const samples = [...guesses.map(({ genome }) => this.#run.inject(genome)), ...this.#samples]
    const losses = [...guesses.map(({ loss }) => loss), ...this.#samples.map((_, i) => lossAt(this.#guests.length + i))]
    this.#firstId += size
    this.#runEvaluations += size
    this.#corners.hear(this.#guests.map((_, position) => lossAt(position)))
    this.#guests = []
    this.#asked = 0
    this.#samples = []
    this.#losses = new Map()
    if (this.#reachesTarget()) return
    if (this.#phase === 'last-guest') {
      this.#phase = 'stopped'
      return
    }
    // A generation without a single score says nothing about where to go: sample it again.
    if (losses.every(loss => loss === Number.POSITIVE_INFINITY)) return

    const resolution = Number.isFinite(this.#lossStep) ? this.#lossStep / 2 : 0
    const ascending = this.#run.learn(samples, losses, resolution)
    const stop = this.#stop.observe(this.#run.view(), ascending, resolution)
    if (stop !== undefined) this.#endRun(stop)
    // On a plateau the mean is heading nowhere.
    else if (ascending.at(-1)! - ascending[0]! > resolution) this.#inviteCorners()
  }

  #inviteCorners(): void {
    const heading = this.#run.heading()
    if (heading === undefined || this.#best === undefined) return
    const places = Math.max(1, Math.floor(CORNER_SHARE * this.#populationSize()))
    const corners = this.#corners.invite(heading, this.#best.loss, places)
    this.#guests = corners.map(corner => this.#run.corner(corner))
  }

  #reachesTarget(): boolean {
    const { ftarget } = this.#options
    if (ftarget === null || this.#best === undefined) return false
    if (this.#best.loss > toLoss(this.#context.objectives[0]!, ftarget)) return false
    this.#lastStop = { criterion: 'ftarget', detail: `loss ${this.#best.loss} of candidate ${this.#best.id}` }
    this.#phase = 'stopped'
    return true
  }

  #endRun(stop: StopReason): void {
    this.#lastStop = stop
    this.#guests = [this.#run.center()]
    this.#corners = new CornerSearch()
    const { restarts } = this.#options
    if (restarts === 'none') {
      this.#phase = 'last-guest'
      return
    }
    const d = this.#context.domain.genes.length
    const plan = nextRun(restarts, this.#restarts, this.#runEvaluations, this.#basePopulation(), d, this.#rng)
    // A uniform start, not the declared one again: equal on plateaus, and it finds other basins.
    const shares = Array.from({ length: this.#genotype.dimension }, () => this.#rng.uniform())
    this.#run = this.#startRun(plan, {
      mean: this.#genotype.point(shares),
      sigma: this.#options.sigma0 * plan.sigmaFactor,
    })
    this.#stop = new CmaEsStop(this.#run.view(), this.#options, plan.maxGenerations)
    this.#restarts = plan.state
    this.#maxGenerations = plan.maxGenerations
    this.#runEvaluations = 0
  }

  #startRun(plan: RunPlan, start: MixedStart): MixedRun {
    const covariance = covarianceModel(this.#options.covariance, this.#genotype.dimension, plan.state.run)
    const run = MixedRun.start(this.#genotype, covariance, plan.populationSize, start, this.#options)
    if (this.#options.learning_rate_adaptation) run.adaptRates()
    return run
  }

  /** The declared start, or the best region of earlier runs if there are enough of their trials. */
  #firstStart(): MixedStart {
    const { domain, objectives, prior = [] } = this.#context
    const scored = prior
      .flatMap(({ genome, losses }) => {
        const loss = losses && scalarize(this.#options.scalarization, losses, objectives)
        return loss !== undefined && Number.isFinite(loss) ? [{ genome, loss }] : []
      })
      .sort((a, b) => a.loss - b.loss)
    const count = promisingCount(scored.length)
    if (count === undefined) {
      return { mean: this.#genotype.phenotype(domain.initial).x, sigma: this.#options.sigma0 }
    }
    const best = scored.slice(0, count).map(({ genome }) => this.#genotype.phenotype(genome))
    const model = covarianceModel(this.#options.covariance, this.#genotype.dimension, 0)
    const form = model === 'full' ? 'full' : 'diagonal'
    return {
      ...promisingDistribution(
        best.map(({ x }) => x),
        form,
      ),
      // How often the best hold each choice, with one more of each so that none is out.
      probabilities: this.#genotype.choiceCounts.map((choices, i) =>
        Float64Array.from(
          { length: choices },
          (_, k) => (1 + best.filter(point => point.choices[i] === k).length) / (choices + count),
        ),
      ),
    }
  }
}

/** Refuses options that contradict the problem. @param dimension number of real and integer genes. */
function requireFeasible(options: CmaEsOptions, context: StrategyContext, dimension: number): void {
  if (options.learning_rate_adaptation && covarianceModel(options.covariance, dimension, 0) !== 'full') {
    throw new ConfigError('Strategy "cma-es": learning_rate_adaptation works with the full covariance only.', {
      hint: 'Set covariance: full, or learning_rate_adaptation: false.',
    })
  }
  const { length } = context.objectives
  if (options.ftarget !== null && length !== 1) {
    throw new ConfigError(`Strategy "cma-es": ftarget needs exactly one objective, got ${length}.`, {
      hint: 'Remove ftarget, or optimise one objective.',
    })
  }
}

/** Without repetitions, copied. */
function distinct(genomes: readonly Genome[]): Genome[] {
  return genomes
    .filter((genome, i) => genomes.findIndex(other => other.every((value, k) => value === genome[k])) === i)
    .map(genome => genome.slice())
}

/** Shape (k * width,) → k rows. */
function rows(values: Float64Array, width: number): Float64Array[] {
  return Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width))
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined
}

export const cmaEs: StrategyDefinition<CmaEsOptions> = {
  ...cmaEsDescription,
  create: (context, options) => new CmaEs(context, options, context.rng.split(KIND)),
  restore: (context, options, snapshot) => CmaEs.restore(context, options, snapshot),
}
