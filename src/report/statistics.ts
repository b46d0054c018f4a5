import { mean } from 'simple-statistics'
import type { Evaluation } from '../candidate.ts'
import { type Objective, toLoss } from '../objective.ts'
import type { Rng } from '../rng.ts'
import { normalizeLosses } from '../scalarization.ts'
import { type Interval, meanInterval, type Stratum, stratifiedInterval, wilsonInterval } from './intervals.ts'
import { signFlipTest } from './sign-flip.ts'

/**
 * Which of two models is better, judged on the same examples.
 *
 * A *gain* is a difference of losses, positive where the first model is better, whatever the objective's direction. An objective's examples count
 * equally inside it, objectives count equally. Objectives of one unit are averaged as they are; objectives of different units are first
 * brought to the scale of `normalizeLosses` (1 = the distance from `ideal` to `reference`).
 *
 * Objectives with equally many examples may have scored the *same* examples (accuracy and likelihood of one data set), whose noise is then
 * shared. They are treated as if they did: the example, with all its objectives, is what is resampled. That is valid whether they did or not,
 * and when they did not it costs next to no power, because products of independent differences average to zero.
 */

/** Two-sided error rate of a claim, after Holm's correction. */
export const ALPHA = 0.05

export type Scored = Extract<Evaluation, { status: 'scored' }>

export interface Comparison {
  /** Mean gain of the first model over the second. */
  readonly gain: number
  /** 95 %, not corrected for the number of comparisons. `undefined`: too few examples for one. */
  readonly interval: Interval | undefined
  /** Two-sided, one comparison. */
  readonly p: number
  readonly method: 'exact' | 'sampled'
  readonly examples: number
  /** Examples on which the two models differ at all. */
  readonly discordant: number
  /** `unit`: the objectives' own unit; `normalized`: shares of the distance from ideal to reference. */
  readonly scale: 'unit' | 'normalized'
}

export type Verdict = 'better' | 'worse' | 'not distinguishable'

/** Why two models cannot be compared example by example, as a sentence. */
export interface Incomparable {
  readonly reason: string
}

export function sameUnit(objectives: readonly Objective[]): boolean {
  return objectives.every(objective => objective.unit === objectives[0]!.unit)
}

/**
 * Paired comparison of two models on the mean over `which` objectives (default: all that have example scores).
 * @param rng consumed only when the randomisation test has to sample; pass a stream split by a label of the comparison.
 */
export function compareModels(
  a: Scored,
  b: Scored,
  objectives: readonly Objective[],
  rng: Rng,
  which: readonly number[] = objectives.flatMap((_, i) => (a.exampleScores?.[i]?.length ? [i] : [])),
): Comparison | Incomparable {
  if (which.length === 0) return { reason: 'the evaluator gives no score per example' }
  for (const i of which) {
    const [first, second] = [a.exampleScores?.[i]?.length ?? 0, b.exampleScores?.[i]?.length ?? 0]
    if (first === 0 || second === 0)
      return { reason: `no score per example is recorded for ${JSON.stringify(objectives[i]!.name)}` }
    if (first !== second) return { reason: `they were scored on different numbers of examples: ${first} and ${second}` }
    if (!a.exampleScores![i]!.every(Number.isFinite) || !b.exampleScores![i]!.every(Number.isFinite))
      return { reason: `an example score of ${JSON.stringify(objectives[i]!.name)} is not finite` }
  }
  const chosen = which.map(i => objectives[i]!)
  const unit = sameUnit(chosen)
  const strata: Stratum[] = []
  const differences: number[] = []
  for (const group of groupByCount(which, a)) {
    const count = a.exampleScores![group[0]!]!.length
    const contributions = new Float64Array(count)
    let pseudoVariance = 0
    let binary = true
    for (const i of group) {
      const [first, second] = [a.exampleScores![i]!, b.exampleScores![i]!]
      const weight = (unit ? toLoss(objectives[i]!, 1) : normalizedSlope(objectives[i]!)) / which.length
      for (let j = 0; j < count; j++) contributions[j]! += weight * (second[j]! - first[j]!)
      pseudoVariance += weight ** 2
      binary &&= isBinary(first) && isBinary(second)
    }
    strata.push(binary ? { contributions, pseudo: { count: 2, mean: 0, variance: pseudoVariance } } : { contributions })
    for (const contribution of contributions) differences.push(contribution / count)
  }
  return {
    gain: strata.reduce((sum, { contributions }) => sum + mean([...contributions]), 0),
    interval: stratifiedInterval(strata),
    ...signFlipTest(differences, rng),
    examples: differences.length,
    discordant: differences.filter(d => d !== 0).length,
    scale: unit ? 'unit' : 'normalized',
  }
}

/** "better" is said only when the corrected test says so *and* the difference is on that side. */
export function verdictOf(gain: number, correctedP: number): Verdict {
  if (correctedP > ALPHA || gain === 0) return 'not distinguishable'
  return gain > 0 ? 'better' : 'worse'
}

/**
 * S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 1979: p-values, shape (k,), corrected so that the
 * chance of even one false claim among the k stays below the level. In the order given.
 */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((_, k) => k).sort((i, j) => ps[i]! - ps[j]!)
  const corrected = new Array<number>(ps.length)
  let largest = 0
  order.forEach((k, rank) => {
    largest = Math.max(largest, Math.min(1, (ps.length - rank) * ps[k]!))
    corrected[k] = largest
  })
  return corrected
}

/**
 * Interval of one objective's value: Wilson for 0/1 scores, Student's t for graded ones. `undefined` without example scores, and where the
 * value is not their mean (F1, perplexity, a corpus-level score).
 */
export function valueInterval(evaluation: Scored, i: number): Interval | undefined {
  const scores = evaluation.exampleScores?.[i]
  if (!scores?.length || !isMeanOf(evaluation.values[i]!, scores)) return undefined
  if (!isBinary(scores)) return meanInterval(scores)
  return wilsonInterval(
    scores.reduce((sum, score) => sum + score, 0),
    scores.length,
  )
}

/** Mean over objectives of one unit and direction, raw; `undefined` where they differ (their mean would mean nothing). */
export function meanValue(
  values: readonly number[],
  evaluation: Scored | undefined,
  objectives: readonly Objective[],
): { readonly value: number; readonly interval: Interval | undefined } | undefined {
  const comparable = sameUnit(objectives) && objectives.every(o => o.direction === objectives[0]!.direction)
  if (!comparable || objectives.length < 2) return undefined
  return { value: mean([...values]), interval: evaluation && meanOverObjectivesInterval(evaluation, objectives.length) }
}

function meanOverObjectivesInterval(evaluation: Scored, m: number): Interval | undefined {
  const all = Array.from({ length: m }, (_, i) => i)
  const usable = all.every(i => {
    const scores = evaluation.exampleScores?.[i]
    return scores !== undefined && scores.length > 0 && isMeanOf(evaluation.values[i]!, scores)
  })
  if (!usable) return undefined
  return stratifiedInterval(
    groupByCount(all, evaluation).map(group => {
      const lists = group.map(i => evaluation.exampleScores![i]!)
      const contributions = new Float64Array(lists[0]!.length)
      for (const list of lists) for (let j = 0; j < list.length; j++) contributions[j]! += list[j]! / m
      if (!lists.every(isBinary)) return { contributions }
      const half = group.length / m / 2
      return { contributions, pseudo: { count: 4 / m, mean: half, variance: group.length / m ** 2 / 4 } }
    }),
  )
}

/** Losses of one unit apart are this far apart after normalisation. */
function normalizedSlope(objective: Objective): number {
  const [atOne] = normalizeLosses([toLoss(objective, 1)], [objective])
  const [atZero] = normalizeLosses([toLoss(objective, 0)], [objective])
  return atOne! - atZero!
}

function groupByCount(which: readonly number[], evaluation: Scored): number[][] {
  const groups = new Map<number, number[]>()
  for (const i of which) {
    const count = evaluation.exampleScores![i]!.length
    groups.set(count, [...(groups.get(count) ?? []), i])
  }
  return [...groups.values()]
}

export function isBinary(scores: Float32Array): boolean {
  for (let i = 0; i < scores.length; i++) if (scores[i] !== 0 && scores[i] !== 1) return false
  return true
}

/** Example scores are float32, so their mean agrees with the value to about six digits. */
export function isMeanOf(value: number, scores: Float32Array): boolean {
  let sum = 0
  let magnitude = 0
  for (let i = 0; i < scores.length; i++) {
    sum += scores[i]!
    magnitude += Math.abs(scores[i]!)
  }
  return Math.abs(sum / scores.length - value) <= 1e-5 * (magnitude / scores.length) + 1e-12
}
