import type { Objective } from '../../objective.ts'
import { toLoss } from '../../objective.ts'
import { normalizeLosses } from '../../scalarization.ts'
import type { ToldTrial } from '../strategy.ts'
import type { Competition } from './competition.ts'

/**
 * What a candidate scored, per objective: each example's score, or the objective's value alone where there are no example scores. 0 at the
 * objective's `reference`, 1 at its `ideal`: larger is better, whatever the direction. NaN: an example that was not scored.
 */
export type ScoreRow = readonly Float32Array[]

/** @returns `undefined` for a trial that failed or has no finite losses. */
export function scoreRow(trial: ToldTrial, objectives: readonly Objective[]): ScoreRow | undefined {
  if (!trial.losses?.every(Number.isFinite)) return undefined
  const { losses, exampleScores } = trial
  return objectives.map((objective, o) => {
    const examples = exampleScores?.[o]
    const goodness = (loss: number): number => 1 - normalizeLosses([loss], [objective])[0]!
    if (examples === undefined || examples.length === 0) return Float32Array.of(goodness(losses[o]!))
    return examples.map(score => goodness(toLoss(objective, score)))
  })
}

/** All that competes, as rows of equal length, and how. */
export interface Contest {
  readonly rows: readonly Float32Array[]
  readonly competition: Competition
}

/**
 * The rows of a population, the objectives' examples one after another. A score below the objective's reference counts as zero.
 *
 * A candidate without example scores, among others that have them, is taken to score its value on every example. Where no candidate has any,
 * each objective is one example and scores are measured from the worst of the population: measured from a reference that is far
 * away, all would be nearly equal, and from one that none reaches, all zero.
 */
export function contest(rows: readonly ScoreRow[], { alpha, subtractWorst }: Competition): Contest {
  const widths = rows[0]?.map((_, o) => Math.max(...rows.map(row => row[o]!.length))) ?? []
  const graded = widths.some(width => width > 1)
  const N = widths.reduce((sum, width) => sum + width, 0)
  const flat = rows.map(row => {
    const whole = new Float32Array(N)
    let at = 0
    for (const [o, width] of widths.entries()) {
      const part = row[o]!
      if (part.length === width) whole.set(part, at)
      else whole.fill(average(part), at, at + width)
      at += width
    }
    return graded ? whole.map(score => (score < 0 ? 0 : score)) : whole // NaN stays
  })
  return { rows: flat, competition: { alpha, subtractWorst: subtractWorst || !graded } }
}

function average(scores: Float32Array): number {
  let sum = 0
  let count = 0
  for (const score of scores) {
    if (Number.isNaN(score)) continue
    sum += score
    count++
  }
  return count > 0 ? sum / count : 0
}
