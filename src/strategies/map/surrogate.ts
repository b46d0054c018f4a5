import { ConfigError } from '../../errors.ts'
import { kendallTau } from '../../numerics/kendall-tau.ts'
import { fitLinkedRidge, type LinkedFit } from '../../numerics/ridge-irls.ts'
import type { Objective } from '../../objective.ts'
import { toLoss } from '../../objective.ts'
import { FAMILIES, type Link, suitableLinks } from './links.ts'
import { coefficientCount, MODELS, type Model, monomials, quadratic } from './quadratic-basis.ts'

/**
 * The surrogate of one objective: a quadratic of the coefficients through a link, value(u) ≈ link(q(u)), fitted by penalised
 * likelihood (L. Li et al., "MAP", ICLR 2025, arXiv:2406.07529; the paper's non-linear least squares has the same
 * model). Link and model are those with the least leave-one-out error in units of the objective.
 */
export interface Surrogate {
  readonly link: Link
  readonly model: Model | 'constant'
  readonly quality: Quality
  /** The quadratic behind the link, smaller is better: has its minima where `loss` has. */
  predictor(u: ArrayLike<number>): number
  /** Predicted loss at u, shape (d,), 0..1. */
  loss(u: ArrayLike<number>): number
  /** Values minus leave-one-out predictions, shape (n,), and the values' standard deviation, in units of the objective. */
  readonly residuals: Float64Array
  readonly spread: number
  /** Standard deviation of that prediction, misfit included, in units of the objective. */
  deviation(u: ArrayLike<number>): number
}

export interface Quality {
  readonly trials: number
  /** 1 - PRESS / total sum of squares, by leave-one-out predictions; `undefined` where the values do not vary. */
  readonly r2: number | undefined
  /** Kendall's τ_b between values and leave-one-out predictions; `undefined` where one of them does not vary. */
  readonly tau: number | undefined
  /** Share of the values' variance that the sampling of examples explains, 0..1; 0 where the numbers of examples are unknown. */
  readonly noise: number
}

/** One objective's data, trials in the order of their ids. */
export interface SurrogateData {
  readonly points: readonly Float64Array[] // shape (n, d), 0..1
  readonly values: Float64Array // shape (n,), raw direction
  /** Numbers of examples behind the values, shape (n,); 0: unknown. */
  readonly examples: Float64Array
  /** How much each trial counts, shape (n,), > 0. */
  readonly focus: Float64Array
}

export interface SurrogateChoice {
  readonly link: 'auto' | Link
  readonly model: 'auto' | Model
}

/** Trials that a model needs per coefficient (pycma's lq model has the same rule). */
const TRIALS_PER_COEFFICIENT = 1.1
/** Coefficients at most: a fit takes some 10 p³ operations per step and objective, seconds beyond this. */
const MOST_COEFFICIENTS = 300

/** Fewest trials for a model. */
export function trialsNeeded(model: Model, d: number): number {
  return Math.ceil(TRIALS_PER_COEFFICIENT * coefficientCount(model, d))
}

/** Trials that surrogates are fitted to at most, the best: bounds the time of a fit and the size of a snapshot. */
export function mostTrials(d: number): number {
  return Math.min(2 * MOST_COEFFICIENTS, Math.max(MOST_COEFFICIENTS, 4 * coefficientCount('full', d)))
}

/** The models that a choice leaves for d genes, richest first. */
export function allowedModels(choice: SurrogateChoice['model'], d: number): readonly Model[] {
  return MODELS.filter(
    model => (choice === 'auto' || choice === model) && coefficientCount(model, d) <= MOST_COEFFICIENTS,
  )
}

/** @throws {ConfigError} where the choice leaves none. */
export function requireModel(choice: SurrogateChoice['model'], d: number): void {
  if (allowedModels(choice, d).length > 0) return
  const model = choice === 'auto' ? 'diagonal' : choice
  throw new ConfigError(
    `Strategy "map" fits at most ${MOST_COEFFICIENTS} coefficients, but a ${model} quadratic of ${d} genes has ${coefficientCount(model, d)}.`,
    {
      hint: `Search fewer genes (coarser layer groups)${model === 'full' ? ', set "model" to "auto"' : ''}, or use strategy "cma-es".`,
    },
  )
}

/** Below this leave-one-out τ a front predicted from the surrogate is not worth evaluations. */
export const LEAST_TAU = 0.5
/** p (1 - p) of a proportion as good as certain: one wrong answer in a thousand. */
const LEAST_VARIANCE = 1e-3

/** Above this the rest of the values' order is mostly the noise of the examples: there is nothing left to predict. */
const MOST_NOISE = 0.5

export function predicts({ r2, tau, noise }: Quality): boolean {
  return r2 === undefined || noise > MOST_NOISE || (tau ?? 0) >= LEAST_TAU
}

/** @returns `undefined` where there are too few trials for every model allowed. */
export function fitSurrogate(
  objective: Objective,
  data: SurrogateData,
  choice: SurrogateChoice,
): Surrogate | undefined {
  const { points, values } = data
  const n = values.length
  const d = points[0]?.length ?? 0
  const models = allowedModels(choice.model, d).filter(model => n >= trialsNeeded(model, d))
  if (models.length === 0) return undefined
  if (values.every(value => value === values[0])) return constantSurrogate(objective, values[0]!, n)

  const suitable = suitableLinks(objective, values)
  const links: readonly Link[] =
    choice.link === 'auto' ? suitable : [inRange(choice.link, values) ? choice.link : 'identity']
  let best: Attempt | undefined
  for (const model of models) {
    for (const link of links) {
      const attempt = attemptFit(model, link, data)
      if (best === undefined || attempt.press < best.press) best = attempt
    }
  }
  return toSurrogate(objective, data, best!)
}

interface Attempt {
  readonly model: Model
  readonly link: Link
  readonly fit: LinkedFit
  readonly weights: Float64Array // shape (n,): numbers of examples where the link makes use of them, times focus
  readonly predicted: Float64Array // leave-one-out, in units of the objective
  readonly press: number // Σ focus (value - predicted)²
}

function attemptFit(model: Model, link: Link, { points, values, examples, focus }: SurrogateData): Attempt {
  const family = FAMILIES[link]
  const columns = coefficientCount(model, points[0]!.length) - 1
  const design = new Float64Array(points.length * columns)
  for (const [i, u] of points.entries()) design.set(monomials(model, u), i * columns)
  const weights = focus.map((f, i) => (link === 'sigmoid' && examples[i]! > 0 ? f * examples[i]! : f))
  const fit = fitLinkedRidge(design, values, weights, family)
  const predicted = fit.leftOut.map(eta => family.mean(eta))
  const press = predicted.reduce((sum, mu, i) => sum + focus[i]! * (values[i]! - mu) ** 2, 0)
  return { model, link, fit, weights, predicted, press }
}

function toSurrogate(objective: Objective, data: SurrogateData, best: Attempt): Surrogate {
  const { values, focus } = data
  const { model, link, fit, weights, predicted, press } = best
  const family = FAMILIES[link]
  const total = focus.reduce((sum, f) => sum + f, 0)
  const mean = values.reduce((sum, value, i) => sum + focus[i]! * value, 0) / total
  const variance = values.reduce((sum, value, i) => sum + focus[i]! * (value - mean) ** 2, 0) / total
  const quality: Quality = {
    trials: values.length,
    r2: 1 - press / (total * variance),
    tau: kendallTau(predicted, values, focus),
    noise: Math.min(1, binomialVariance(data) / variance),
  }
  // Variance of a row of working weight 1, from the leave-one-out residuals: noise and misfit alike.
  const scale =
    values.reduce((sum, value, i) => {
      const expected = Math.max(LEAST_VARIANCE, family.variance(family.mean(fit.eta[i]!)))
      return sum + (weights[i]! * (value - predicted[i]!) ** 2) / expected
    }, 0) / values.length
  const eta = (u: ArrayLike<number>) => quadratic(model, fit.intercept, fit.coefficients, u)
  return {
    link,
    model,
    quality,
    residuals: values.map((value, i) => value - predicted[i]!),
    spread: Math.sqrt(variance),
    predictor: u => toLoss(objective, eta(u)),
    loss: u => toLoss(objective, family.mean(eta(u))),
    deviation: u => family.slope(eta(u)) * Math.sqrt(scale * fit.ridge.variance(monomials(model, u))),
  }
}

function constantSurrogate(objective: Objective, value: number, trials: number): Surrogate {
  const loss = toLoss(objective, value)
  const quality = { trials, r2: undefined, tau: undefined, noise: 0 }
  const residuals = new Float64Array(trials)
  return {
    link: 'identity',
    model: 'constant',
    quality,
    residuals,
    spread: 0,
    predictor: () => loss,
    loss: () => loss,
    deviation: () => 0,
  }
}

/** Mean of p (1 - p) / N over the trials with known N, p by Jeffreys' prior: (k + 1/2) / (N + 1). */
function binomialVariance({ values, examples, focus }: SurrogateData): number {
  let sum = 0
  let total = 0
  for (const [i, count] of examples.entries()) {
    total += focus[i]!
    if (count === 0 || values[i]! < 0 || values[i]! > 1) continue
    const p = (values[i]! * count + 0.5) / (count + 1)
    sum += (focus[i]! * p * (1 - p)) / count
  }
  return sum / total
}

function inRange(link: Link, values: Float64Array): boolean {
  if (link === 'sigmoid') return values.every(value => value >= 0 && value <= 1)
  return link === 'identity' || values.every(value => value >= 0)
}
