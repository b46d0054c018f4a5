import { z } from 'zod'
import { nonDominatedSort } from '../../archive/dominance.ts'
import type { JsonValue } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import { type Rng, restoreRng } from '../../rng.ts'
import { normalizeLosses } from '../../scalarization.ts'
import { fromUnitInterval, intoUnitInterval } from '../cma-es/bound-transform.ts'
import { CmaEsRun, cmaEsConstants, cmaEsRunStateSchema, defaultPopulationSize } from '../cma-es/cma-es-run.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition, ToldTrial } from '../strategy.ts'
import { fromUnitCube, toUnitCube } from '../unit-cube.ts'
import { Batch, batchSchema, type Child } from './batch.ts'
import { type ComoCmaEsOptions, comoCmaEsDescription } from './como-cma-es-options.ts'
import { selectByCrowding } from './crowding.ts'
import {
  decodePopulation,
  decodeRows,
  encodePopulation,
  encodeRows,
  firstGenomes,
  lineage,
  type Member,
  populationSchema,
  priorMembers,
} from './population.ts'
import { UncrowdedImprovement } from './uncrowded-improvement.ts'

const KIND = comoCmaEsDescription.kind
const VERSION = 2

/** Standard deviation of a gene, in box widths, beyond which the folded distribution is as good as uniform. */
const MAX_DEVIATION = 1 / 3
/** Beyond this ratio of longest and shortest axis float64 sampling is no longer what the covariance says. */
const MAX_AXIS_RATIO = 1e7
/** Generations in a row without any order among the offspring after which a kernel rests. */
const MAX_FLAT = 10
/** Step size of a kernel that starts between two incumbents, as a share of their distance. */
const GAP_STEP = 0.25
/** At most this share of the evaluations goes to kernels that start somewhere new once the first have come to rest. */
const SCOUTING_SHARE = 0.2

const kernelSchema = z.strictObject({
  run: cmaEsRunStateSchema,
  incumbent: populationSchema, // none or one
  isStale: z.boolean(),
  flat: z.number().int(),
  isResting: z.boolean(),
  isScout: z.boolean(),
})

const stateSchema = z.strictObject({
  rng: rngStateSchema,
  kernels: z.array(kernelSchema),
  resting: populationSchema,
  seeds: populationSchema,
  started: z.number().int(),
  scouted: z.number().int(),
  shape: z.string(),
  turn: z.number().int(),
  means: z.array(z.number().int()),
  active: z.array(z.number().int()),
  samples: z.string(),
  batch: batchSchema,
})

/** One distribution, and what its mean scored when it was last looked at. */
interface Kernel {
  readonly run: CmaEsRun
  incumbent: Member | undefined
  /** The mean has moved since, or was never scored. */
  isStale: boolean
  /** Generations in a row that said nothing. */
  flat: number
  /** Will leave as soon as its last mean has been scored. */
  isResting: boolean
  /** Started somewhere new, after the first kernels. */
  readonly isScout: boolean
}

/**
 * COMO-CMA-ES: a handful of CMA-ES distributions (kernels), each of which maximises the uncrowded hypervolume improvement of its
 * samples over the incumbents, that is the scored means, of all others. Together they spread over the front, and each converges to
 * a point of it, linearly even on ill-conditioned losses. For two objectives; with one, the kernels are independent runs.
 *
 * The first batch is the declared start, known recipes and a space-filling sample; its best are where kernels start. A later one is
 * the offspring of one kernel, or of as many as fit into the evaluations in flight, and the means that have moved in the batch before;
 * kernels take turns. Losses are normalised so that every objective's reference is 1.
 *
 * A run has an archive, so the front that counts is that of all candidates. A fixed set of kernels converges to as many points and
 * leaves the gaps between them: with ten, 10,000 candidates between two spheres in ten dimensions had 99.2 % of the hypervolume. So
 * there are few, a kernel rests as soon as its offspring are all about as good, its incumbent stays in the set, and the next one starts
 * where the front has most room, with the shape that the last one learned; now and then somewhere new. That makes 99.8 %.
 */
class ComoCmaEs implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #options: ComoCmaEsOptions
  readonly #rng: Rng
  #kernels: Kernel[] = []
  /** Incumbents of kernels that have left, none of which another dominates. */
  #resting: Member[] = []
  /** Where the first kernels start. */
  #seeds: Member[] = []
  #started = 0
  /** Evaluations by scouts. */
  #scouted = 0
  /** σ² C of the kernel that came to rest last, shape (d, d); empty before. */
  #shape: Float64Array = new Float64Array(0)
  #turn = 0
  /** The batch: first the means of these kernels, */
  #means: readonly number[] = []
  /** then the offspring of these, λ each, */
  #active: readonly number[] = []
  /** which these standard normal vectors made. */
  #samples: readonly Float64Array[] = []
  #batch = new Batch(0, [])

  constructor(context: StrategyContext, options: ComoCmaEsOptions, rng: Rng) {
    requireSuitable(context)
    this.#context = context
    this.#options = options
    this.#rng = rng
  }

  static create(context: StrategyContext, options: ComoCmaEsOptions): ComoCmaEs {
    const strategy = new ComoCmaEs(context, options, context.rng.split(KIND))
    strategy.#seeds = priorMembers(context)
    const genomes = firstGenomes(context, options.kernels, strategy.#rng)
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
    if (!this.#batch.isComplete) return
    if (this.#started === 0) this.#seed()
    else this.#learn()
    this.#nextBatch(this.#batch.nextId)
  }

  stopReason(): undefined {
    return undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    const sigmas = this.#kernels.map(kernel => kernel.run.sigma).sort((a, b) => a - b)
    return {
      kernels: this.#kernels.length,
      started: this.#started,
      resting: this.#resting.length,
      smallestSigma: sigmas[0] ?? null,
      largestSigma: sigmas.at(-1) ?? null,
    }
  }

  snapshot(): Snapshot {
    const state: JsonValue = {
      rng: { ...this.#rng.state() },
      kernels: this.#kernels.map(kernel => ({
        run: { ...kernel.run.snapshot() },
        incumbent: encodePopulation(kernel.incumbent === undefined ? [] : [kernel.incumbent]),
        isStale: kernel.isStale,
        flat: kernel.flat,
        isResting: kernel.isResting,
        isScout: kernel.isScout,
      })),
      resting: encodePopulation(this.#resting),
      seeds: encodePopulation(this.#seeds),
      started: this.#started,
      scouted: this.#scouted,
      shape: encodeFloat64(this.#shape),
      turn: this.#turn,
      means: this.#means,
      active: this.#active,
      samples: encodeRows(this.#samples),
      batch: this.#batch.snapshot(this.#context.objectives.length),
    }
    return { kind: KIND, version: VERSION, state }
  }

  static restore(context: StrategyContext, options: ComoCmaEsOptions, snapshot: Snapshot): ComoCmaEs {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    const [d, m] = [context.domain.genes.length, context.objectives.length]
    const strategy = new ComoCmaEs(context, options, restoreRng(state.rng))
    strategy.#kernels = state.kernels.map(kernel => ({
      run: CmaEsRun.restore(kernel.run, cmaEsConstants(d, kernel.run.populationSize, true)),
      incumbent: decodePopulation(kernel.incumbent, d, m)[0],
      isStale: kernel.isStale,
      flat: kernel.flat,
      isResting: kernel.isResting,
      isScout: kernel.isScout,
    }))
    strategy.#resting = decodePopulation(state.resting, d, m)
    strategy.#seeds = decodePopulation(state.seeds, d, m)
    strategy.#started = state.started
    strategy.#scouted = state.scouted
    strategy.#shape = decodeFloat64(state.shape)
    strategy.#turn = state.turn
    strategy.#means = state.means
    strategy.#active = state.active
    strategy.#samples = decodeRows(state.samples, d)
    strategy.#batch = Batch.restore(state.batch, d, m)
    return strategy
  }

  /** The first batch, and trials of earlier runs: the best of them become the first kernels' incumbents. */
  #seed(): void {
    const known = [...this.#batch.members().filter(member => member !== undefined), ...this.#seeds]
    const losses = known.map(member => member.losses)
    this.#seeds = selectByCrowding(losses, this.#options.kernels).survivors.map(i => known[i]!)
  }

  /** A batch of means and offspring has been told. */
  #learn(): void {
    const members = this.#batch.members()
    for (const [at, k] of this.#means.entries()) {
      const kernel = this.#kernels[k]!
      kernel.incumbent = members[at]
      kernel.isStale = false
    }
    let offset = this.#means.length
    for (const k of this.#active) {
      const kernel = this.#kernels[k]!
      const { populationSize } = kernel.run.constants
      const range = [offset - this.#means.length, offset - this.#means.length + populationSize] as const
      this.#update(kernel, this.#samples.slice(...range), members.slice(offset, offset + populationSize))
      offset += populationSize
    }
    const left = this.#kernels.filter(kernel => kernel.isResting && !kernel.isStale)
    this.#kernels = this.#kernels.filter(kernel => !left.includes(kernel))
    const settled = [...this.#resting, ...left.flatMap(kernel => kernel.incumbent ?? [])]
    const front = nonDominatedSort(settled.map(member => member.losses))[0] ?? []
    this.#resting = front.map(i => settled[i]!)
  }

  /** One generation of a kernel: best improvement first, failed ones last. */
  #update(kernel: Kernel, samples: readonly Float64Array[], offspring: readonly (Member | undefined)[]): void {
    // A generation without a single score says nothing about where to go: sample it again.
    if (offspring.every(member => member === undefined)) return
    const others = [...this.#kernels.filter(other => other !== kernel).map(other => other.incumbent), ...this.#resting]
    const improvement = new UncrowdedImprovement(
      others.flatMap(member => (member === undefined ? [] : [this.#normalized(member)])),
      this.#context.objectives.map(() => 1),
    )
    const values = offspring.map(member =>
      member === undefined ? -Infinity : improvement.of(this.#normalized(member)),
    )
    const order = values
      .map((_, i) => i)
      .sort((a, b) => (values[a]! > values[b]! ? -1 : values[a]! < values[b]! ? 1 : a - b))
    const { run } = kernel
    run.update(order.map(i => samples[i]!))
    run.limitDeviations(MAX_DEVIATION)
    kernel.isStale = true
    kernel.flat = values[order[0]!] === values[order.at(-1)!] ? kernel.flat + 1 : 0
    const { shortest, longest } = run.axisRange()
    const largest = Math.max(...Array.from(run.mean, (_, i) => run.deviation(i)))
    const { tolx, tolf } = this.#options
    const [best, worst] = [values[order[0]!]!, values[order.at(-1)!]!]
    const isSettled = this.#context.objectives.length > 1 && worst > 0 && worst > (1 - tolf) * best
    kernel.isResting = isSettled || largest < tolx || longest > MAX_AXIS_RATIO * shortest || kernel.flat >= MAX_FLAT
    if (kernel.isScout) this.#scouted += values.length
    if (isSettled || largest < tolx) this.#shape = run.covariance()
  }

  #nextBatch(firstId: number): void {
    const { kernels, population_size: size } = this.#options
    const d = this.#context.domain.genes.length
    const searching = (): number => this.#kernels.filter(kernel => !kernel.isResting).length
    while (searching() < kernels) this.#kernels.push(this.#startKernel())

    const lambda = size === 'auto' ? defaultPopulationSize(d) : size
    const fitting = Math.max(1, Math.min(kernels, Math.floor((this.#context.slots ?? 1) / (lambda + 1))))
    this.#means = this.#kernels.flatMap((kernel, k) => (kernel.isStale ? [k] : []))
    const ready = this.#kernels.flatMap((kernel, k) => (kernel.isResting ? [] : [k]))
    this.#active = Array.from({ length: fitting }, (_, i) => ready[(this.#turn + i) % ready.length]!)
    this.#turn = (this.#turn + fitting) % kernels
    this.#samples = this.#active.flatMap(() =>
      Array.from({ length: lambda }, () => Float64Array.from({ length: d }, () => this.#rng.normal())),
    )
    const children: Child[] = this.#means.map(k => this.#child(this.#kernels[k]!, this.#kernels[k]!.run.mean))
    for (const [at, z] of this.#samples.entries()) {
      const kernel = this.#kernels[this.#active[Math.floor(at / lambda)]!]!
      children.push(this.#child(kernel, kernel.run.point(z)))
    }
    this.#batch = new Batch(firstId, children)
  }

  #child({ incumbent }: Kernel, y: Float64Array): Child {
    const genome = fromUnitCube(this.#context.domain, y.map(intoUnitInterval))
    return { genome, parents: incumbent === undefined ? [] : lineage(incumbent) }
  }

  #startKernel(): Kernel {
    const { domain } = this.#context
    const { sigma0, population_size: size } = this.#options
    const d = domain.genes.length
    const constants = cmaEsConstants(d, size === 'auto' ? defaultPopulationSize(d) : size, true)
    const seed = this.#seeds.shift()
    this.#started++
    if (seed !== undefined) {
      const run = new CmaEsRun(toUnitCube(domain, seed.genome).map(fromUnitInterval), sigma0, constants)
      return { run, incumbent: seed, isStale: false, flat: 0, isResting: false, isScout: false }
    }
    const unscored = { incumbent: undefined, isStale: true, flat: 0, isResting: false } as const
    const gap = this.#scouted < SCOUTING_SHARE * this.#batch.nextId ? undefined : this.#widestGap()
    if (gap === undefined) {
      const mean = Float64Array.from({ length: d }, () => fromUnitInterval(this.#rng.uniform()))
      return { run: new CmaEsRun(mean, sigma0, constants), ...unscored, isScout: true }
    }
    const sigma = Math.min(sigma0, Math.max(10 * this.#options.tolx, GAP_STEP * gap.distance))
    const run = new CmaEsRun(gap.middle, sigma, constants, this.#unitShape())
    return { run, ...unscored, isScout: false }
  }

  /** The covariance that the last kernel to rest has learned, with a largest variance of 1: neighbours on a front are alike. */
  #unitShape(): Float64Array | undefined {
    const d = this.#context.domain.genes.length
    if (this.#shape.length === 0) return undefined
    let largest = 0
    for (let i = 0; i < d; i++) largest = Math.max(largest, this.#shape[i * d + i]!)
    return this.#shape.map(v => v / largest)
  }

  /**
   * Where the front found so far has most room: halfway between two neighbours, or as far beyond one of its ends. Room is the area of the
   * rectangle between the neighbours; at an end, of the one up to the reference, as wide as the gap next to it.
   */
  #widestGap(): { readonly middle: Float64Array; readonly distance: number } | undefined {
    const found = [...this.#kernels.flatMap(kernel => kernel.incumbent ?? []), ...this.#resting]
    const front = (nonDominatedSort(found.map(member => member.losses))[0] ?? []).map(i => found[i]!)
    front.sort((a, b) => a.losses[0]! - b.losses[0]!)
    const losses = front.map(member => this.#normalized(member))
    const last = front.length - 1
    let widest = 0
    let gap: { readonly from: Member; readonly to: Member; readonly share: number } | undefined
    const offer = (area: number, from: number, to: number, share: number): void => {
      if (area <= widest) return
      widest = area
      gap = { from: front[from]!, to: front[to]!, share }
    }
    const x = losses.map(loss => loss[0]!)
    const y = losses.map(loss => loss.at(-1)!)
    for (let i = 0; i < last; i++) offer((x[i + 1]! - x[i]!) * (y[i]! - y[i + 1]!), i, i + 1, 0.5)
    if (last > 0) {
      offer((x[1]! - x[0]!) * (1 - y[0]!), 0, 1, -0.5)
      offer((1 - x[last]!) * (y[last - 1]! - y[last]!), last, last - 1, -0.5)
    }
    if (gap === undefined) return undefined
    const place = (end: Member): Float64Array => toUnitCube(this.#context.domain, end.genome).map(fromUnitInterval)
    const { share } = gap
    const [a, b] = [place(gap.from), place(gap.to)]
    return {
      middle: a.map((v, i) => v + share * (b[i]! - v)),
      distance: a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0),
    }
  }

  #normalized(member: Member): number[] {
    return normalizeLosses(member.losses, this.#context.objectives)
  }
}

function requireSuitable({ domain, objectives }: StrategyContext): void {
  if (domain.genes.length === 0) throw new ConfigError(`Strategy "${KIND}" needs at least one gene, got none.`)
  if (objectives.length > 2) {
    throw new ConfigError(`Strategy "${KIND}" takes one or two objectives, got ${objectives.length}.`, {
      hint: 'Use strategy "sms-emoa" or "nsga3".',
    })
  }
  const other = domain.genes.find(gene => gene.kind !== 'real')
  if (other !== undefined) {
    throw new ConfigError(`Strategy "${KIND}" searches real genes only, but gene "${other.name}" is ${other.kind}.`, {
      hint: `Use strategy "sms-emoa", or give "${other.name}" a fixed value.`,
    })
  }
}

export const comoCmaEs: StrategyDefinition<ComoCmaEsOptions> = {
  ...comoCmaEsDescription,
  create: (context, options) => ComoCmaEs.create(context, options),
  restore: (context, options, snapshot) => ComoCmaEs.restore(context, options, snapshot),
}
