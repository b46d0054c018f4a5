import type { Objective } from '../objective.ts'
import type { Rng } from '../rng.ts'
import { type AffinePiece, type Scalarization, scalarPieces } from '../scalarization.ts'
import { armMoments, difference, dot, pairEstimates } from './arms.ts'
import type { Interval } from './intervals.ts'
import { maxTQuantile } from './max-t.ts'
import { type Incomparable, isMeanOf, type Scored } from './statistics.ts'

/**
 * Simultaneous 95 % intervals of how much worse each of K models is than one of them, by the scalarised loss, from scores on the same examples. All of
 * them hold at once, for whichever model the others are compared with: also for the one that came out best.
 *
 * The scalarised loss is a maximum of affine functions of the mean scores, S = max_i L_i (`scalarPieces`). All differences L_ki − L_lj between models get
 * simultaneous intervals d ± c·se at once (`maxTQuantile`, paired by example). Wherever they hold, so does
 *
 *     max_i min_j (d_kilj − c·se_kilj) ≤ S_k − S_l ≤ max_i min_j (d_kilj + c·se_kilj),
 *
 * because S_k − S_l = max_i min_j (L_ki − L_lj): no assumption about which objective is truly the worst. Standard errors are those of `stratifiedInterval`;
 * 0/1 scores get two imagined discordant pairs per difference, in the simulation as noise of each model's own.
 */
export interface Behind {
  /** Scalarised loss minus that of the model compared with. */
  readonly difference: number
  readonly interval: Interval
}

/**
 * @param models K ≥ 2, on the same split
 * @param best position of the one to compare with
 * @returns shape (K,), in order; that of `best` is 0, without width
 */
export function simultaneousIntervals(
  models: readonly Scored[],
  best: number,
  objectives: readonly Objective[],
  scalarization: Scalarization,
  rng: Rng,
): readonly Behind[] | Incomparable {
  const reason = whyNone(models, objectives)
  if (reason !== undefined) return { reason }
  const pieces = scalarPieces(scalarization, objectives)
  const P = pieces.length
  const strata = armMoments(models, pieces, objectives)
  const exact = models.flatMap(({ values }) => pieces.map(piece => exactPart(piece, values, objectives)))
  const owner = exact.map((_, arm) => Math.floor(arm / P))
  const estimates = pairEstimates(strata, owner)
  if (estimates === undefined) return { reason: 'there are too few examples' }
  const { nu, covariance } = estimates
  const reach = maxTQuantile({ covariance, owner, nu }, rng)
  const own = models.map(({ values }) => Math.max(...pieces.map(piece => levelOf(piece, values))))
  return models.map((_, k) => {
    if (k === best) return { difference: 0, interval: { low: 0, high: 0 } }
    let [low, high] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
    for (let i = 0; i < P; i++) {
      let [leastLow, leastHigh] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
      for (let j = 0; j < P; j++) {
        const [a, b] = [k * P + i, best * P + j]
        const { centre, variance } = difference(strata, a, b)!
        const d = centre + exact[a]! - exact[b]!
        const half = reach * Math.sqrt(variance)
        leastLow = Math.min(leastLow, d - half)
        leastHigh = Math.min(leastHigh, d + half)
      }
      low = Math.max(low, leastLow)
      high = Math.max(high, leastHigh)
    }
    return { difference: own[k]! - own[best]!, interval: { low, high } }
  })
}

/** What keeps models from being compared, as a sentence. */
function whyNone(models: readonly Scored[], objectives: readonly Objective[]): string | undefined {
  let found = false
  for (const [i, { name, isExact }] of objectives.entries()) {
    if (isExact) continue
    found = true
    const count = models[0]!.exampleScores?.[i]?.length ?? 0
    for (const { values, exampleScores } of models) {
      const scores = exampleScores?.[i]
      if (!scores?.length) return `no score per example is recorded for ${JSON.stringify(name)}`
      if (scores.length !== count)
        return `they were scored on different numbers of examples of ${JSON.stringify(name)}: ${count} and ${scores.length}`
      if (!scores.every(Number.isFinite)) return `an example score of ${JSON.stringify(name)} is not finite`
      if (!isMeanOf(values[i]!, scores))
        return `the value of ${JSON.stringify(name)} is not the mean of its example scores`
    }
  }
  return found ? undefined : 'no objective has examples: all values are exact'
}

function exactPart(
  { offset, slopes }: AffinePiece,
  values: readonly number[],
  objectives: readonly Objective[],
): number {
  return offset + objectives.reduce((sum, { isExact }, i) => sum + (isExact ? slopes[i]! * values[i]! : 0), 0)
}

function levelOf({ offset, slopes }: AffinePiece, values: readonly number[]): number {
  return offset + dot(slopes, values)
}
