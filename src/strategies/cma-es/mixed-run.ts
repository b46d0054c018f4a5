import { z } from 'zod'
import type { Genome } from '../../candidate.ts'
import type { Rng } from '../../rng.ts'
import { BoundPenalty, boundPenaltyStateSchema } from './bound-penalty.ts'
import { CategoricalDistribution, categoricalStateSchema } from './categorical-distribution.ts'
import type { Boundary } from './cma-es-options.ts'
import { type Distribution, isFlat } from './cma-es-stop.ts'
import type { Corner, Heading } from './corner-search.ts'
import {
  type CovarianceModel,
  createModel,
  type Model,
  modelState,
  modelStateSchema,
  restoreModel,
  type Start,
} from './covariance-model.ts'
import type { Genotype } from './genotype.ts'
import { limitLength } from './injection.ts'
import { IntegerMargin, integerMarginStateSchema } from './integer-margin.ts'
import { LearningRateAdaptation, learningRateStateSchema } from './learning-rate-adaptation.ts'
import { nextSample, type Sampling } from './orthogonal-sampling.ts'
import type { SearchDistribution } from './search-distribution.ts'

/** Standard deviation of a gene, in widths of its range, beyond which the folded distribution is as good as uniform. */
const MAX_DEVIATION = 1 / 3
/** Usual distances of a sample from the mean within which a corner of the box is worth a look. */
const CORNER_REACH = 3

export interface MixedRunSettings {
  readonly active: boolean
  readonly sampling: Sampling
  readonly boundary: Boundary
}

/** Where a run starts, in widths of the genes' ranges. */
export interface MixedStart extends Start {
  /** Probabilities of the choices of each categorical gene; uniform unless given. */
  readonly probabilities?: readonly Float64Array[]
}

/** What a candidate was made from. */
export interface Sample {
  /** Shape (n,): the point is m + σ C^{1/2} z before scaling. */
  readonly z: Float64Array
  readonly choices: readonly number[]
  /** From elsewhere: its z is shortened and has no negative weight. */
  readonly injected: boolean
}

/**
 * One run over genes of every kind: CMA-ES for the real and integer ones, a margin that keeps integer genes moving, a categorical distribution
 * for the others, all learning from one ranking; with the constraint and noise handling that the settings ask for.
 *
 * (CatCMA with Margin, arXiv:2504.07884. Where all genes are real this is CMA-ES as `CmaEsRun` has it.)
 */
export class MixedRun {
  readonly #genotype: Genotype
  readonly #settings: MixedRunSettings
  readonly #model: Model
  readonly #margin: IntegerMargin | undefined
  readonly #categories: CategoricalDistribution | undefined
  readonly #penalty: BoundPenalty | undefined
  #rates: LearningRateAdaptation | undefined

  /** @param probabilities start of the choices of each categorical gene; uniform unless given. */
  constructor(genotype: Genotype, model: Model, settings: MixedRunSettings, probabilities?: readonly Float64Array[]) {
    this.#genotype = genotype
    this.#settings = settings
    this.#model = model
    const { cells, choiceCounts } = genotype
    const integers = cells.filter(count => count > 0).length
    const discrete = integers + choiceCounts.length
    this.#margin = integers > 0 ? new IntegerMargin(cells, discrete) : undefined
    this.#categories =
      choiceCounts.length > 0 ? new CategoricalDistribution(choiceCounts, discrete, probabilities) : undefined
    this.#penalty = settings.boundary === 'penalty' ? new BoundPenalty() : undefined
  }

  static start(
    genotype: Genotype,
    covariance: CovarianceModel,
    populationSize: number,
    start: MixedStart,
    settings: MixedRunSettings,
  ): MixedRun {
    const { active } = settings
    const model = createModel(covariance, start, { populationSize, active })
    return new MixedRun(genotype, model, settings, start.probabilities)
  }

  get covariance(): CovarianceModel {
    return this.#model.covariance
  }

  get distribution(): SearchDistribution {
    return this.#model.run
  }

  /** Learning rates of mean and covariance, where they are adapted. */
  get rates(): LearningRateAdaptation['rates'] | undefined {
    return this.#rates?.rates
  }

  /** From here on, adapts the learning rates of mean and covariance; only for the full covariance. */
  adaptRates(): void {
    if (this.#model.covariance === 'full') this.#rates ??= new LearningRateAdaptation(this.#genotype.dimension)
  }

  /** @param earlier the generation's own samples so far, in order. */
  sample(rng: Rng, earlier: readonly Sample[]): Sample {
    const drawn = earlier.map(sample => sample.z)
    const z = nextSample(this.#settings.sampling, rng, this.#genotype.dimension, drawn)
    return { z, choices: this.#categories?.sample(rng) ?? [], injected: false }
  }

  /** The sample that stands for a genome from elsewhere. */
  inject(genome: Genome): Sample {
    const { x, choices } = this.#genotype.phenotype(genome)
    const z = this.distribution.coordinates(x.map((v, i) => v / this.#scale(i)))
    return { z: limitLength(z), choices, injected: true }
  }

  genome(sample: Sample): Genome {
    return this.#genotype.genome({ x: this.#point(sample), choices: sample.choices })
  }

  /** The genome of the mean and of the most likely choices. */
  center(): Genome {
    return this.#genotype.genome({ x: this.#mean(), choices: this.#categories?.mode() ?? [] })
  }

  /**
   * Where the mean is heading among the corners of the box, if a corner is within three times the distance of a usual sample; where the mean is
   * outside already, that counts as there. `undefined` unless samples are moved to the bounds and all genes are real.
   */
  heading(): Heading | undefined {
    const { cells, choiceCounts, dimension } = this.#genotype
    if (this.#penalty === undefined || choiceCounts.length > 0 || cells.some(count => count > 0)) return undefined
    const run = this.distribution
    const mean = this.#mean()
    const outside = (v: number): boolean => v <= 0 || v >= 1
    const x = mean.map((v, i) => (outside(v) ? v : run.pathStep(i) < 0 ? 0 : 1))
    const squaredLength = run.coordinates(x).reduce((sum, v) => sum + v * v, 0)
    const reached = squaredLength <= CORNER_REACH ** 2 * dimension
    return {
      corner: reached ? Array.from(x, v => (v <= 0 ? '0' : '1')).join('') : undefined,
      certainty: mean.map((v, i) => (outside(v) ? Infinity : Math.abs(run.pathStep(i)) / run.deviation(i))),
    }
  }

  /** The genome at a corner, shape (d,): every gene at a bound. Only where {@link heading} is defined. */
  corner(corner: Corner): Genome {
    return this.#genotype.genome({ x: Float64Array.from(corner, Number), choices: [] })
  }

  /**
   * One generation.
   * @param samples shape (λ,), in ask order, which decides between equal losses.
   * @param losses shape (λ,), of the samples, `Infinity` for failed ones.
   * @param resolution differences of losses up to this say nothing.
   * @returns the losses, ascending.
   */
  learn(samples: readonly Sample[], losses: readonly number[], resolution: number): readonly number[] {
    const run = this.distribution
    const { muEff, parents, weights, cSigma, dSigma } = run.constants
    const deviation = (i: number): number => this.#deviation(i)
    this.#penalty?.update(losses, this.#genotype.violation(this.#mean()), deviation, muEff)
    const ranked = samples
      .map((sample, i) => ({ sample, value: losses[i]! + this.#penaltyOf(sample) }))
      .sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0)) // stable: equal ones stay in ask order
      .map(entry => entry.sample)
    const { zs, succeeded } = this.#centered(ranked, parents)
    const injected = new Set([...ranked.keys()].filter(i => ranked[i]!.injected))
    const before = run.mean.slice()
    this.#update(zs, injected.size > 0 ? injected : undefined)
    this.#margin?.unscaleStep(run.mean, before)

    const ascending = [...losses].sort((a, b) => a - b)
    // Nearly all samples on one plateau: look further around (the escape of Hansen's C and Matlab codes).
    if (isFlat(ascending, resolution)) run.inflate(Math.exp(0.2 + cSigma / dSigma))
    run.limitDeviations(
      this.#margin === undefined ? MAX_DEVIATION : this.#margin.scales.map(scale => MAX_DEVIATION / scale),
    )
    this.#margin?.correct(run.mean, i => run.deviation(i), succeeded)
    this.#categories?.update(
      ranked.slice(0, parents).map(sample => sample.choices),
      weights,
    )
    return ascending
  }

  /** What stop criteria look at: the distribution in widths of the genes' ranges. */
  view(): Distribution {
    const run = this.distribution
    return {
      constants: run.constants,
      mean: this.#mean(),
      sigma: run.sigma,
      sigma0: run.sigma0,
      generation: run.generation,
      deviation: i => this.#deviation(i),
      pathStep: i => this.#scale(i) * run.pathStep(i),
      axis: k => run.axis(k).map((v, i) => this.#scale(i) * v),
      axisRange: () => run.axisRange(),
    }
  }

  snapshot(): MixedRunState {
    return {
      model: modelState(this.#model),
      margin: this.#margin?.snapshot() ?? null,
      categories: this.#categories?.snapshot() ?? null,
      penalty: this.#penalty?.snapshot() ?? null,
      rates: this.#rates?.snapshot() ?? null,
    }
  }

  /** Continues bit by bit. @throws {RangeError} if an array does not have the size that the genotype asks for. */
  static restore(genotype: Genotype, state: MixedRunState, settings: MixedRunSettings): MixedRun {
    const model = restoreModel(state.model, genotype.dimension, settings.active)
    const run = new MixedRun(genotype, model, settings)
    if (state.margin !== null) run.#margin?.restore(state.margin)
    if (state.categories !== null) run.#categories?.restore(state.categories)
    if (state.penalty !== null) run.#penalty?.restore(state.penalty)
    if (state.rates !== null) {
      run.adaptRates()
      run.#rates?.restore(state.rates)
    }
    return run
  }

  #update(zs: readonly Float64Array[], spared: ReadonlySet<number> | undefined): void {
    const model = this.#model
    const update = (): void => model.run.update(zs, spared)
    if (this.#rates !== undefined && model.covariance === 'full') this.#rates.step(model.run, update)
    else update()
  }

  /** z of the ranked samples after integer centering of the better half. */
  #centered(
    ranked: readonly Sample[],
    parents: number,
  ): { readonly zs: readonly Float64Array[]; readonly succeeded: readonly boolean[] } {
    const zs = ranked.map(sample => sample.z)
    const margin = this.#margin
    if (margin === undefined) return { zs, succeeded: [] }
    const points = ranked.slice(0, parents).map(sample => this.#point(sample))
    const succeeded = margin.center(points, this.#mean())
    const moved = points.map(point => this.distribution.coordinates(point.map((v, i) => v / margin.scales[i]!)))
    return { zs: [...moved, ...zs.slice(parents)], succeeded }
  }

  #penaltyOf(sample: Sample): number {
    return this.#penalty?.penalty(this.#genotype.violation(this.#point(sample))) ?? 0
  }

  #scale(i: number): number {
    return this.#margin?.scales[i] ?? 1
  }

  #mean(): Float64Array {
    const { mean } = this.distribution
    return this.#margin === undefined ? mean : mean.map((m, i) => this.#scale(i) * m)
  }

  #point(sample: Sample): Float64Array {
    const u = this.distribution.point(sample.z)
    return this.#margin === undefined ? u : u.map((v, i) => this.#scale(i) * v)
  }

  #deviation(i: number): number {
    return this.#scale(i) * this.distribution.deviation(i)
  }
}

/** `null` for parts that the run does not have. */
export const mixedRunStateSchema = z.strictObject({
  model: modelStateSchema,
  margin: integerMarginStateSchema.nullable(),
  categories: categoricalStateSchema.nullable(),
  penalty: boundPenaltyStateSchema.nullable(),
  rates: learningRateStateSchema.nullable(),
})
export type MixedRunState = z.infer<typeof mixedRunStateSchema>
