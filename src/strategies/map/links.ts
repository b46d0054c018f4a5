import type { Family } from '../../numerics/ridge-irls.ts'
import type { Objective } from '../../objective.ts'

/**
 * Links: what a quadratic in the coefficients is passed through to become an objective's value (L. Li et al., "MAP", ICLR 2025,
 * arXiv:2406.07529: sigmoid for accuracies, softplus for losses). In raw direction.
 */
export const LINKS = ['sigmoid', 'softplus', 'identity'] as const
export type Link = (typeof LINKS)[number]

/** Odds beyond e^±30 are certainty in float64: a proportion of 1 - 1e-13. */
const MAX_LOGIT = 30
/** Observed proportions are pulled this far off 0 and 1 where a logit needs a finite start. */
const MARGIN = 0.005

const sigmoid = (eta: number): number => 1 / (1 + Math.exp(-clamp(eta, MAX_LOGIT)))

/** Grouped binomial: y is the share of right answers, weights are numbers of examples. */
const SIGMOID: Family = {
  mean: sigmoid,
  slope: eta => sigmoid(eta) * (1 - sigmoid(eta)),
  variance: mu => mu * (1 - mu),
  deviance: (y, mu) => 2 * (relativeEntropy(y, mu) + relativeEntropy(1 - y, 1 - mu)),
  start: y => Math.log((y + MARGIN) / (1 - y + MARGIN)),
}

/** Least squares on softplus(η) = ln(1 + e^η). */
const SOFTPLUS: Family = {
  mean: eta => (eta > MAX_LOGIT ? eta : Math.log1p(Math.exp(Math.max(-MAX_LOGIT, eta)))),
  slope: sigmoid,
  variance: () => 1,
  deviance: (y, mu) => (y - mu) ** 2,
  start: y => (y > MAX_LOGIT ? y : Math.log(Math.expm1(Math.max(1e-3, y)))),
}

const IDENTITY: Family = {
  mean: eta => eta,
  slope: () => 1,
  variance: () => 1,
  deviance: (y, mu) => (y - mu) ** 2,
  start: y => y,
}

export const FAMILIES: Readonly<Record<Link, Family>> = { sigmoid: SIGMOID, softplus: SOFTPLUS, identity: IDENTITY }

/**
 * The links that suit an objective, the usual one first; which of them it is, leave-one-out error decides.
 * - A share of right or wrong answers, by its unit or because 0 or 1 is declared ideal, with all values in 0..1: sigmoid.
 * - A loss that cannot go below 0, by its unit or because 0 is declared ideal, with no value below: softplus.
 * - Anything else: none.
 */
export function suitableLinks(objective: Objective, values: ArrayLike<number>): readonly Link[] {
  const { ideal, reference, direction } = objective
  const declared = [reference, ...(ideal === undefined ? [] : [ideal])]
  const seen = [...Array.from(values), ...declared]
  const best = direction === 'maximize' ? 1 : 0
  const share = /accura|share|rate|0\s*\.\.\s*1|fraction|probab/i.test(objective.unit) || ideal === best
  if (share && seen.every(value => value >= 0 && value <= 1)) return ['sigmoid', 'identity']
  const bounded = direction === 'minimize' && (ideal === 0 || /nats|bits|loss|perplexity/i.test(objective.unit))
  if (bounded && seen.every(value => value >= 0)) return ['softplus', 'identity']
  return ['identity']
}

function clamp(value: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, value))
}

/** a ln(a / b), 0 for a = 0. */
function relativeEntropy(a: number, b: number): number {
  return a > 0 ? a * Math.log(a / b) : 0
}
