import { packedOffset } from '../numerics/cholesky.ts'
import type { Objective } from '../objective.ts'
import type { AffinePiece } from '../scalarization.ts'
import { type StratumMoments, stratifiedEstimate } from './intervals.ts'
import { isBinary, type Scored } from './statistics.ts'

/** Means and covariances of affine functions of models' scores, from scores on the same examples: what simultaneous intervals are made of. */

/** Objectives with equally many examples, which may be the same examples. */
interface StratumOf {
  readonly objectives: readonly number[]
  readonly count: number
  readonly isBinary: boolean
}

function strataOf(models: readonly Scored[], objectives: readonly Objective[]): StratumOf[] {
  const byCount = new Map<number, number[]>()
  objectives.forEach(({ isExact }, i) => {
    if (isExact) return
    const count = models[0]!.exampleScores![i]!.length
    byCount.set(count, [...(byCount.get(count) ?? []), i])
  })
  return [...byCount].map(([count, group]) => ({
    objectives: group,
    count,
    isBinary: models.every(({ exampleScores }) => group.every(i => isBinary(exampleScores![i]!))),
  }))
}

/** An arm is one affine function of one model: arm k · P + i is L_ki. */
export interface ArmMoments {
  readonly count: number
  readonly means: Float64Array // shape (A,), of Σ slope · score over the stratum's objectives
  readonly covariance: Float64Array // packed, of one example
  /** There for 0/1 scores: slopes by arm, shape (A, objectives of the stratum). */
  readonly slopes: readonly (readonly number[])[] | undefined
}

/** Per stratum of objectives. Objectives that are exact are in none. */
export function armMoments(
  models: readonly Scored[],
  pieces: readonly AffinePiece[],
  objectives: readonly Objective[],
): ArmMoments[] {
  return strataOf(models, objectives).map(stratum => momentsOf(stratum, models, pieces))
}

function momentsOf(stratum: StratumOf, models: readonly Scored[], pieces: readonly AffinePiece[]): ArmMoments {
  const { objectives, count } = stratum
  const m = objectives.length
  const means = new Float64Array(models.length * m)
  const centred = models.flatMap(({ exampleScores }, k) =>
    objectives.map((i, o) => {
      const scores = exampleScores![i]!
      let sum = 0
      for (const score of scores) sum += score
      means[k * m + o] = sum / count
      return Float64Array.from(scores, score => score - sum / count)
    }),
  )
  const V = centred.length
  const base = new Float64Array(V * V)
  for (let u = 0; u < V; u++) {
    for (let v = 0; v <= u; v++) {
      const [x, y] = [centred[u]!, centred[v]!]
      let sum = 0
      for (let e = 0; e < count; e++) sum += x[e]! * y[e]!
      base[u * V + v] = base[v * V + u] = sum / Math.max(1, count - 1)
    }
  }
  const P = pieces.length
  const slopes = models.flatMap(() => pieces.map(piece => objectives.map(i => piece.slopes[i]!)))
  const A = slopes.length
  const covariance = new Float64Array(packedOffset(A))
  for (let a = 0, at = 0; a < A; a++) {
    const u = Math.floor(a / P) * m
    for (let b = 0; b <= a; b++, at++) {
      const v = Math.floor(b / P) * m
      let sum = 0
      for (let o = 0; o < m; o++)
        for (let p = 0; p < m; p++) sum += slopes[a]![o]! * slopes[b]![p]! * base[(u + o) * V + v + p]!
      covariance[at] = sum
    }
  }
  return {
    count,
    means: Float64Array.from(slopes, (slope, a) => dot(slope, means.subarray(Math.floor(a / P) * m))),
    covariance,
    slopes: stratum.isBinary ? slopes : undefined,
  }
}

/** L_a − L_b without exact parts; `undefined` where there are too few examples. */
export function difference(strata: readonly ArmMoments[], a: number, b: number) {
  return stratifiedEstimate(
    strata.map(({ count, means, covariance, slopes }): StratumMoments => {
      const [first, second] = a > b ? [a, b] : [b, a]
      const between = covariance[packedOffset(first) + second]!
      const variance = covariance[packedOffset(a) + a]! + covariance[packedOffset(b) + b]! - 2 * between
      const mean = means[a]! - means[b]!
      const squares = Math.max(0, variance) * (count - 1)
      return { count, mean, squares, ...(slopes && { pseudo: imagined(slopes[a]!, slopes[b]!) }) }
    }),
  )
}

/** Two pairs of 0/1 scores per objective, (1, 0) and (0, 1): what they add to a difference with these slopes. */
function imagined(a: readonly number[], b: readonly number[]) {
  let [mean, variance] = [0, 0]
  for (let o = 0; o < a.length; o++) {
    mean += (a[o]! - b[o]!) / 2
    variance += ((a[o]! + b[o]!) / 2) ** 2
  }
  return { count: 2, mean, variance }
}

/** Covariance of all arms' estimates, and the fewest degrees of freedom of any difference between two models. */
export function pairEstimates(strata: readonly ArmMoments[], owner: readonly number[]) {
  const A = owner.length
  const covariance = new Float64Array(packedOffset(A))
  let nu = Number.POSITIVE_INFINITY
  for (let a = 0, at = 0; a < A; a++) {
    for (let b = 0; b <= a; b++, at++) {
      for (const stratum of strata) covariance[at]! += stratum.covariance[at]! / stratum.count
      if (owner[a] === owner[b]) continue
      const estimate = difference(strata, a, b)
      if (estimate === undefined) return undefined
      if (estimate.variance > 0) nu = Math.min(nu, estimate.nu)
    }
    for (const { slopes, count } of strata)
      if (slopes !== undefined) covariance[at - 1]! += dot(slopes[a]!, slopes[a]!) / (count + 2) ** 2
  }
  return { covariance, nu }
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
