import { z } from 'zod'
import { nonDominatedSort } from '../../archive/dominance.ts'
import type { Genome, JsonValue, StopReason } from '../../candidate.ts'
import { SobolSequence } from '../../numerics/sobol.ts'
import { referencePoint, toLoss } from '../../objective.ts'
import { type Rng, restoreRng } from '../../rng.ts'
import { scalarize } from '../../scalarization.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition, ToldTrial } from '../strategy.ts'
import { fromUnitCube, toUnitCube } from '../unit-cube.ts'
import { drawUncertain } from './angle-bins.ts'
import { Batch, batchSchema, type Outcome, type Planned } from './batch.ts'
import { distance, isNear, leastCertain, minimizers, SAME_POINT, spreadOverFront, variations } from './choose-batch.ts'
import { distinct, knownGenomes, sampleSize, spreadPoint, stretched, togetherGenomes } from './design.ts'
import { chooseMode, requireNumericGenes } from './modes.ts'
import {
  climb,
  leafGenomes,
  levelGenomes,
  type Measured,
  plantTree,
  restoreTree,
  type Tree,
  treeSchema,
  treeState,
} from './nested.ts'
import { type MapOptions, type Mode, mapDescription } from './options.ts'
import { boundingBox, predictedFront, uniformIn } from './predicted-front.ts'
import { predictionError, type Report, reportOf, reportSchema } from './report.ts'
import {
  allowedModels,
  fitSurrogate,
  LEAST_TAU,
  mostTrials,
  requireModel,
  type Surrogate,
  trialsNeeded,
} from './surrogate.ts'
import { ToldData, toldDataSchema } from './told-data.ts'

/**
 * MAP: a sample of the coefficients, a quadratic surrogate per objective, the Pareto front of the surrogates, and then, beyond the
 * paper, evaluations of that front: a well-spread part of what was predicted is proposed, the surrogates are fitted again to what was
 * found, and so on until the budget is spent. So every point that a run reports has been measured.
 *
 * Proposals come in batches; each is planned when the one before has been told in full, from the told trials in the order of their ids.
 */
const KIND = mapDescription.kind
const VERSION = 1

/** A batch, unless there are more slots: this share of the trials told, so that the time for all fits grows with n, not n². */
const BATCH_SHARE = 0.1
const MOST_BATCH = 64
/** Points of a front at least: one at a time they would not be spread over it. */
const FRONT_BATCH = 4
/** While an objective's τ is below this, this share of a batch goes where the surrogates are least certain. */
const CERTAIN_TAU = 0.7
const UNCERTAIN_SHARE = 0.1
/** Points that least certain ones are picked from. */
const POOL = 256
/** Levels of a tree over more sources than there can be. */
const MOST_LEVELS = 64
/** Draws at most for a new point, per point wanted. */
const ATTEMPTS = 20

const stateSchema = z.strictObject({
  rng: rngStateSchema,
  data: toldDataSchema,
  batch: batchSchema,
  spread: z.number().int().nonnegative(), // points of the space-filling sequence used
  best: z.strictObject({ id: z.number().int(), value: z.number() }).nullable(),
  undirected: z.number().int(), // trials proposed without a prediction because none was to be had
  report: reportSchema.nullable(),
  tree: treeSchema.nullable(),
  passes: z.number().int(), // over the tree, finished
})

class AmortizedPareto implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #options: MapOptions
  readonly #rng: Rng
  readonly #sequence: SobolSequence
  readonly #mode: Exclude<Mode, 'auto'>
  /** Trials before the first prediction, unless nested. */
  readonly #samples: number
  #data = new ToldData()
  #batch: Batch
  #spread = 0
  #best: { readonly id: number; readonly value: number } | undefined
  #undirected = 0
  #report: Report | undefined
  #tree: Tree | undefined
  #passes = 0

  constructor(context: StrategyContext, options: MapOptions, rng: Rng) {
    requireNumericGenes(context.domain)
    requireModel(options.model, context.domain.genes.length)
    this.#context = context
    this.#options = options
    this.#rng = rng
    this.#mode = chooseMode(context, options)
    const models = allowedModels(options.model, this.#dimension)
    const { samples } = options
    this.#samples =
      samples !== 'auto' ? samples : this.#mode === 'nested' ? 0 : sampleSize(models, this.#dimension, context.budget)
    this.#sequence = new SobolSequence(this.#dimension, rng.split('spread'))
    for (const [i, trial] of (context.prior ?? []).entries()) {
      this.#learn(i - context.prior!.length, trial.genome, this.#outcomeOf(trial))
    }
    this.#batch = new Batch(0, this.#firstSample())
  }

  ask(count: number): readonly Proposal[] {
    const proposals: Proposal[] = []
    while (proposals.length < count) {
      const proposal = this.#batch.next()
      if (proposal === undefined) break
      proposals.push(proposal)
    }
    return proposals
  }

  tell(trials: readonly ToldTrial[]): void {
    for (const trial of trials) this.#batch.tell(trial, this.#outcomeOf(trial))
    if (!this.#batch.complete) return
    const { planned, firstId } = this.#batch
    for (const [position, { genome }] of planned.entries()) {
      this.#learn(firstId + position, genome, this.#batch.outcome(position))
    }
    this.#data.trim(mostTrials(this.#dimension))
    const error = predictionError(this.#batch, this.#context.objectives) ?? this.#report?.error ?? null
    const next = this.#plan()
    if (this.#report !== undefined) this.#report = { ...this.#report, error }
    this.#batch = new Batch(firstId + planned.length, next)
  }

  stopReason(): StopReason | undefined {
    const { budget, objectives } = this.#context
    const told = this.#batch.firstId + this.#batch.told
    if (budget === undefined || told < budget || this.#report === undefined) return undefined
    const lacking = this.#report.objectives.flatMap((fit, k) =>
      fit.predicts ? [] : [`${(fit.tau ?? 0).toFixed(2)} for ${objectives[k]!.name}`],
    )
    if (lacking.length === 0) return undefined
    return {
      criterion: 'surrogate-does-not-predict',
      detail:
        `after ${told} evaluations the leave-one-out rank correlation of the surrogates is ${lacking.join(', ')}, below ${LEAST_TAU}; ` +
        `${this.#undirected} evaluations went to spread points and variations of the best instead of predicted fronts`,
    }
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    const fits = this.#report?.objectives
    return {
      trials: this.#data.size,
      objectives: Object.fromEntries(
        this.#context.objectives.map(({ name }, k) => [
          name,
          { ...(fits?.[k] ?? {}), predictionError: this.#report?.error?.[k] ?? null },
        ]),
      ),
      refused:
        fits === undefined ? [] : this.#context.objectives.flatMap(({ name }, k) => (fits[k]!.predicts ? [] : [name])),
      mode: this.#mode,
      undirected: this.#undirected,
      best: this.#best?.id ?? null,
    }
  }

  snapshot(): Snapshot {
    const state: z.infer<typeof stateSchema> = {
      rng: this.#rng.state(),
      data: this.#data.snapshot(),
      batch: this.#batch.snapshot(this.#context.objectives.length),
      spread: this.#spread,
      best: this.#best ?? null,
      undirected: this.#undirected,
      report: this.#report ?? null,
      tree: this.#tree === undefined ? null : treeState(this.#tree),
      passes: this.#passes,
    }
    return { kind: KIND, version: VERSION, state }
  }

  static restore(context: StrategyContext, options: MapOptions, snapshot: Snapshot): AmortizedPareto {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    const m = context.objectives.length
    const strategy = new AmortizedPareto(context, options, restoreRng(state.rng))
    strategy.#data = ToldData.restore(state.data, strategy.#dimension, m)
    strategy.#batch = Batch.restore(state.batch, strategy.#dimension, m)
    strategy.#spread = state.spread
    strategy.#best = state.best ?? undefined
    strategy.#undirected = state.undirected
    strategy.#report = state.report ?? undefined
    strategy.#tree = state.tree === null ? undefined : restoreTree(state.tree, strategy.#dimension)
    strategy.#passes = state.passes
    return strategy
  }

  get #dimension(): number {
    return this.#context.domain.genes.length
  }

  #outcomeOf(trial: ToldTrial): Outcome {
    const losses = trial.losses?.every(Number.isFinite) ? Float64Array.from(trial.losses) : undefined
    const examples = Float64Array.from(this.#context.objectives, (objective, k) => {
      const scores = trial.exampleScores?.[k]
      if (losses === undefined || scores === undefined || scores.length === 0) return 0
      // A value that is not the plain mean of its scores does not have their noise.
      const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length
      return Math.abs(mean - toLoss(objective, losses[k]!)) < 1e-4 ? scores.length : 0
    })
    return { losses, examples }
  }

  #learn(id: number, genome: Genome, { losses, examples }: Outcome): void {
    const { domain, objectives } = this.#context
    const point = toUnitCube(domain, genome)
    if (losses === undefined) {
      this.#data.addFailure(point)
      return
    }
    this.#data.add(id, point, losses, examples)
    const value = scalarize(this.#options.scalarization, [...losses], objectives)
    if (id >= 0 && (this.#best === undefined || value < this.#best.value)) this.#best = { id, value }
  }

  #firstSample(): Planned[] {
    const { domain, guesses = [] } = this.#context
    const known = knownGenomes(domain, guesses)
    const fresh = (genomes: readonly Genome[]) => genomes.filter(genome => this.#isOpen(toUnitCube(domain, genome)))
    if (this.#mode === 'nested') return asSample(distinct([...known, ...fresh(leafGenomes(domain))]))
    const size = this.#samples - this.#data.size
    const corners = [...togetherGenomes(domain), ...leafGenomes(domain)].slice(
      0,
      Math.max(0, Math.ceil(size / 2) - known.length),
    )
    const structured = distinct([...known, ...fresh(corners)])
    // Bayesian: the other half is placed by what the first one teaches.
    const first =
      this.#mode === 'bayesian' ? Math.max(Math.ceil(size / 2), trialsNeeded('diagonal', this.#dimension)) : size
    const spread = this.#firstSpread(first - structured.length)
    return asSample([...structured, ...spread, ...this.#spreadGenomes(first - structured.length - spread.length)])
  }

  /** Spread points that reach the bounds of every gene: predictions are made in the sampled box only. */
  #firstSpread(count: number): Genome[] {
    const points = Array.from({ length: Math.max(0, count) }, () => this.#sequence.point(this.#spread++))
    return distinct(stretched(points).map(point => fromUnitCube(this.#context.domain, point)))
  }

  /** The next batch, from the told trials alone. */
  #plan(): Planned[] {
    if (this.#mode === 'nested' && this.#passes === 0) {
      const level = this.#planNested()
      if (level !== undefined) return asSample(level)
    }
    const surrogates = this.#fit()
    const count = this.#batchSize()
    if (surrogates === undefined) {
      const level = this.#mode === 'nested' ? this.#planNested() : undefined
      if (level !== undefined) return asSample(level)
      this.#undirected += count
      return this.#spreadGenomes(count).map(genome => ({ role: 'spread', genome }))
    }
    if (this.#mode === 'bayesian' && this.#asked < this.#samples) return this.#binnedSample(surrogates)
    if (this.#report!.objectives.every(fit => fit.predicts)) return this.#predictedBatch(surrogates, count)
    this.#undirected += count
    return this.#undirectedBatch(count)
  }

  get #asked(): number {
    return this.#batch.firstId + this.#batch.planned.length
  }

  /** Genomes of the next level of the tree that are not known yet; `undefined` when a pass is over, or where there is nothing to pair. */
  #planNested(): Genome[] | undefined {
    const { domain, objectives } = this.#context
    const { points, losses } = this.#data
    const measured: Measured = { genomes: points.map(point => fromUnitCube(domain, point)), losses }
    if (this.#tree !== undefined && this.#tree.pairs.length === 0) {
      this.#tree = undefined
      this.#passes++
      if (this.#passes === 1) return undefined
    }
    for (let level = 0; level < MOST_LEVELS; level++) {
      this.#tree =
        this.#tree === undefined
          ? plantTree(domain, objectives, measured, this.#preference())
          : climb(domain, objectives, measured, this.#tree, this.#options.link)
      const { pairs, nodes } = this.#tree
      const genomes = pairs.length > 0 ? levelGenomes(domain, this.#tree) : nodes.map(node => node.genome)
      const open = distinct(genomes).filter(genome => this.#isOpen(toUnitCube(domain, genome)))
      if (open.length > 0) return open
      if (pairs.length === 0) break
    }
    this.#tree = undefined
    this.#passes++
    return undefined
  }

  /** Equal weights first, then random ones, shape (m,). */
  #preference(): number[] {
    const weights = this.#context.objectives.map(() => (this.#passes === 0 ? 1 : -Math.log(1 - this.#rng.uniform())))
    const total = weights.reduce((sum, w) => sum + w, 0)
    return weights.map(w => w / total)
  }

  #binnedSample(surrogates: readonly Surrogate[]): Planned[] {
    const { domain } = this.#context
    const count = Math.min(
      this.#samples - this.#asked,
      Math.max(this.#context.slots ?? 1, Math.ceil(this.#samples / 6)),
    )
    const { points } = this.#data
    const drawn = drawUncertain(surrogates, points, boundingBox(points), count, this.#rng)
    return asSample(drawn.map(point => fromUnitCube(domain, point)))
  }

  #batchSize(): number {
    const { budget, objectives, slots = 1 } = this.#context
    const { batch } = this.#options
    const asked = this.#asked
    const least = Math.max(slots, objectives.length === 1 ? 1 : FRONT_BATCH)
    const size = batch === 'auto' ? Math.max(least, Math.min(MOST_BATCH, Math.ceil(BATCH_SHARE * asked))) : batch
    const left = budget === undefined ? size : budget - asked
    return left > 0 ? Math.min(size, left) : size
  }

  #fit(): Surrogate[] | undefined {
    const data = this.#data
    const { objectives } = this.#context
    const focus = new Float64Array(data.size)
    const last = Math.max(1, data.size - 1)
    for (const [rank, i] of data.ranking().entries()) focus[i] = 1 + (this.#options.focus - 1) * (1 - rank / last)
    const surrogates: Surrogate[] = []
    for (const [k, objective] of objectives.entries()) {
      const values = Float64Array.from(data.losses, row => toLoss(objective, row[k]!))
      const examples = Float64Array.from(data.examples, row => row[k]!)
      const surrogate = fitSurrogate(objective, { points: data.points, values, examples, focus }, this.#options)
      if (surrogate === undefined) return undefined
      surrogates.push(surrogate)
    }
    this.#report = reportOf(surrogates, this.#report?.error ?? null)
    return surrogates
  }

  #predictedBatch(surrogates: readonly Surrogate[], count: number): Planned[] {
    const { domain, objectives } = this.#context
    const data = this.#data
    const box = boundingBox(data.points)
    const snap = (point: Float64Array) => toUnitCube(domain, fromUnitCube(domain, point))
    const best = data.ranking().map(i => data.points[i]!)
    const unsure = this.#report!.objectives.some(fit => fit.tau !== null && fit.tau < CERTAIN_TAU)
    const exploring = unsure ? Math.floor(UNCERTAIN_SHARE * count + this.#rng.uniform()) : 0
    const taken: Float64Array[] = []
    const admissible = (point: Float64Array) => this.#isOpen(point) && !taken.some(other => isNear(other, point))

    const front =
      surrogates.length === 1
        ? minimizers(surrogates[0]!, box, best, snap, count - exploring, admissible, this.#rng)
        : spreadOverFront(
            predictedFront(surrogates, box, best, snap, this.#rng),
            bestFront(data.points.map(point => surrogates.map(surrogate => surrogate.loss(point)))),
            referencePoint(objectives),
            count - exploring,
            admissible,
          )
    taken.push(...front.map(({ point }) => point))
    const pool = Array.from({ length: POOL }, () => snap(uniformIn(box, this.#rng)))
    const uncertain = leastCertain(surrogates, pool, count - front.length, admissible)
    taken.push(...uncertain)
    const planned = [
      ...front.map(({ point }) => ({ role: 'front' as const, point })),
      ...uncertain.map(point => ({ role: 'uncertain' as const, point })),
    ].map(({ role, point }) => ({
      role,
      genome: fromUnitCube(domain, point),
      predicted: surrogates.map((surrogate, k) => toLoss(objectives[k]!, surrogate.loss(point))),
    }))
    const rest = this.#spreadGenomes(count - planned.length).map(genome => ({ role: 'spread' as const, genome }))
    return [...planned, ...rest]
  }

  /** Half spread points, half variations of the measured front: the surrogates would mislead. */
  #undirectedBatch(count: number): Planned[] {
    const { domain } = this.#context
    const data = this.#data
    const parents = nonDominatedSort(data.losses.map(row => [...row]))[0]!.map(i =>
      fromUnitCube(domain, data.points[i]!),
    )
    const wanted = Math.floor(count / 2 + this.#rng.uniform() / 2)
    const children = variations(domain, parents, wanted, point => this.#isOpen(point), this.#rng)
    const spread = this.#spreadGenomes(count - children.length)
    return [
      ...children.map(genome => ({ role: 'variation' as const, genome })),
      ...spread.map(genome => ({ role: 'spread' as const, genome })),
    ]
  }

  #spreadGenomes(count: number): Genome[] {
    const { domain } = this.#context
    return Array.from({ length: count }, () => {
      for (let attempt = 1; ; attempt++) {
        const genome = spreadPoint(domain, this.#sequence, this.#spread++)
        // A small space of integers runs out of new points: then known ones are better than none.
        if (attempt === ATTEMPTS || this.#isOpen(toUnitCube(domain, genome))) return genome
      }
    })
  }

  /** Not told yet, and not nearer to a failure than to a score. */
  #isOpen(point: Float64Array): boolean {
    const { points, failures } = this.#data
    let toScore = Infinity
    for (const known of points) toScore = Math.min(toScore, distance(known, point))
    let toFailure = Infinity
    for (const known of failures) toFailure = Math.min(toFailure, distance(known, point))
    return toScore > SAME_POINT && toFailure > SAME_POINT && (toScore <= toFailure || points.length === 0)
  }
}

/** The vectors that no other dominates, shape (n, m). */
function bestFront(losses: readonly (readonly number[])[]): (readonly number[])[] {
  return nonDominatedSort(losses)[0]!.map(i => losses[i]!)
}

function asSample(genomes: readonly Genome[]): Planned[] {
  return genomes.map(genome => ({ role: 'sample', genome }))
}

export const map: StrategyDefinition<MapOptions> = {
  ...mapDescription,
  create: (context, options) => new AmortizedPareto(context, options, context.rng.split(KIND)),
  restore: (context, options, snapshot) => AmortizedPareto.restore(context, options, snapshot),
}
