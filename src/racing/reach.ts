import type { Objective } from '../objective.ts'
import { prefixMean } from './prefix-mean.ts'

/**
 * Of the differences that a ranking sees, the share of variance that is to be more than the luck of which examples were looked at. Below it a generation of
 * CMA-ES turns into a random walk; N. Hansen, A. S. P. Niederberger, L. Guzzella, P. Koumoutsakos ("A method for handling uncertainty in evolutionary
 * optimization with an application to feedback control of combustion", IEEE TEC 13(1), 2009) grow evaluations by a like measure.
 */
const RELIABILITY = 0.8
/** Fewer rows say nothing of how far candidates differ. */
const LEAST_ROWS = 5

/**
 * The rung to which the next candidates are scored: one up where those lately told could not be ranked reliably by their examples, one down
 * where fewer would do.
 *
 * Candidates × examples is a table with one score a cell: candidates differ by V, and what is left once the means of rows and columns are
 * taken off has the variance s². The mean square between candidates over that within is F = 1 + n V / s² on average (R. A. Fisher's analysis of
 * variance without replication), and a mean of n' scores has the reliability V / (V + s² / n'). How hard examples are has no part in it, because all
 * candidates see the same ones.
 *
 * @param sizes examples seen after each rung, shape (rungs, m)
 * @param highest rung that it may ask for
 * @param rows scores of each candidate, objective by objective, of as many first examples as it has seen
 */
export function nextReach(
  current: number,
  sizes: readonly (readonly number[])[],
  highest: number,
  rows: readonly (readonly Float32Array[])[],
  objectives: readonly Objective[],
): number {
  if (rows.length < LEAST_ROWS) return Math.min(current, highest)
  const wanted = objectives.map((_, i) => examplesWanted(rows.map(scores => scores[i]!)))
  const enough = sizes.findIndex(seen => seen.every((size, i) => size === sizes.at(-1)![i] || size >= wanted[i]!))
  return Math.min(highest, Math.max(0, current + Math.sign(enough - current)))
}

/** Examples for a reliable ranking of candidates that differ as these do; 0 for an objective without examples. */
function examplesWanted(rows: readonly Float32Array[]): number {
  const c = rows.length
  const n = Math.min(...rows.map(({ length }) => length))
  if (n < 2) return 0
  const columns = new Float64Array(n)
  for (const row of rows) for (let j = 0; j < n; j++) columns[j]! += row[j]! / c
  const means = rows.map(row => prefixMean(row, n))
  const mean = means.reduce((sum, value) => sum + value, 0) / c
  let within = 0
  rows.forEach((row, i) => {
    for (let j = 0; j < n; j++) within += (row[j]! - columns[j]! - means[i]! + mean) ** 2
  })
  const between = (n * means.reduce((sum, value) => sum + (value - mean) ** 2, 0)) / (c - 1)
  const excess = between / (within / ((c - 1) * (n - 1))) - 1
  if (Number.isNaN(excess)) return Infinity // all scores are equal
  return excess > 0 ? (n * RELIABILITY) / (1 - RELIABILITY) / excess : Infinity
}
