/**
 * A few examples, the same for every candidate, that rank candidates as nearly as possible as all examples would.
 *
 * Two things make a fixed list of 20 answers rank better than the first 20: it leaves out what (nearly) every model of the run gets right
 * or wrong, and it takes what goes with the score. And its score is the number right, not a weighted sum: weights learned from a dozen models order
 * ties at random.
 */
export interface ShortTest {
  /** In no order that matters. */
  readonly examples: readonly number[]
  /**
   * The mean score over all examples that is to be expected of a candidate, with its standard error: an interval of ± Student's point with M
   * degrees of freedom.
   * @param answers to `examples`, in their order; scores in 0..1
   */
  predict(answers: ArrayLike<number>): { readonly value: number; readonly standardError: number }
}

/** Share of an example's variance that is its own luck at least: a dozen models cannot show that it has none. */
const LEAST_OWN = 0.1

/**
 * Classical test theory (F. M. Lord, M. R. Novick, "Statistical Theories of Mental Test Scores", 1968, ch. 15) on the models of a run: example j is
 * right with probability p_j, moves with a model's standardised total t by c_j = cov(x_j, t), and has ψ_j = p_j (1 − p_j) − c_j² of its own. The number right of a
 * set S goes with the total as Σ c / √((Σ c)² + Σ ψ); examples are taken one after another, each the one that raises Σ c / √Σ ψ most.
 *
 * A covariance from M models has an error about as large as itself. It is shrunk to what difficulty alone would make of it, κ p (1 − p), by as
 * much as the scatter of all examples around that says (empirical Bayes, κ by least squares, the prior's variance by moments).
 *
 * @param answers of M ≥ 4 models to all N examples: scores in 0..1, each list of shape (N,)
 * @param count examples to choose
 * @param strata of each example, shape (N,): each has its share among the chosen, as near as whole numbers come. Default: one
 */
export function chooseShortTest(
  answers: readonly ArrayLike<number>[],
  count: number,
  strata: ArrayLike<number | string> = new Uint8Array(answers[0]?.length ?? 0),
): ShortTest {
  const M = answers.length
  const N = answers[0]?.length ?? 0
  if (M < 4) throw new RangeError(`Expected the answers of at least 4 models, got ${M}.`)
  if (!Number.isInteger(count) || count < 1 || count > N)
    throw new RangeError(`Expected to choose 1 to ${N} examples, got ${count}.`)
  const test = choose(answers, count, strata)
  // What a test promises of the models that it was chosen by, it does not keep for others: each model is judged by a test chosen without it.
  const errors = answers.map((list, i) => {
    const { examples, predict } = choose(answers.toSpliced(i, 1), count, strata)
    return predict(examples.map(j => list[j]!)) - meanOf(list)
  })
  const standardError = Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / M)
  return {
    examples: test.examples,
    predict: list => {
      if (list.length !== count)
        throw new RangeError(`Expected ${count} answers, one for each chosen example, got ${list.length}.`)
      return { value: test.predict(list), standardError }
    },
  }
}

function choose(
  answers: readonly ArrayLike<number>[],
  count: number,
  strata: ArrayLike<number | string>,
): { readonly examples: readonly number[]; readonly predict: (list: ArrayLike<number>) => number } {
  const M = answers.length
  const totals = answers.map(meanOf)
  const centre = meanOf(totals)
  const spread = Math.sqrt(totals.reduce((sum, total) => sum + (total - centre) ** 2, 0) / M)
  const standardized = totals.map(total => (total - centre) / (spread || 1))
  const { right, covariance, own } = itemStatistics(answers, standardized)
  const examples = take(covariance, own, quotas(strata, right.length, count), strata)
  const signal = examples.reduce((sum, j) => sum + covariance[j]!, 0)
  const noise = examples.reduce((sum, j) => sum + own[j]!, 0)
  const slope = (spread * signal) / (signal * signal + noise)
  const expected = examples.reduce((sum, j) => sum + right[j]!, 0)
  return {
    examples,
    predict: list => Math.min(1, Math.max(0, centre + slope * (count * meanOf(list) - expected))),
  }
}

interface ItemStatistics {
  readonly right: Float64Array // p_j
  readonly covariance: Float64Array // c_j, shrunk
  readonly own: Float64Array // ψ_j
}

function itemStatistics(answers: readonly ArrayLike<number>[], standardized: readonly number[]): ItemStatistics {
  const M = answers.length
  const N = answers[0]!.length
  const right = new Float64Array(N)
  const variance = new Float64Array(N)
  const raw = new Float64Array(N)
  for (let j = 0; j < N; j++) {
    const sum = answers.reduce((total, list) => total + list[j]!, 0)
    right[j] = (sum + 0.5) / (M + 1)
    variance[j] = right[j]! * (1 - right[j]!)
    raw[j] = answers.reduce((total, list, i) => total + (list[j]! - sum / M) * standardized[i]!, 0) / (M - 1)
  }
  const kappa = dot(raw, variance) / dot(variance, variance)
  let scatter = 0
  for (let j = 0; j < N; j++)
    scatter += ((raw[j]! - kappa * variance[j]!) ** 2 - variance[j]! / (M - 1)) / variance[j]! ** 2 / N
  const prior = Math.max(0, scatter)
  const covariance = raw.map((value, j) => {
    const trusted = (prior * variance[j]!) / (prior * variance[j]! + 1 / (M - 1))
    return trusted * value + (1 - trusted) * kappa * variance[j]!
  })
  return { right, covariance, own: variance.map((v, j) => Math.max(LEAST_OWN * v, v - covariance[j]! ** 2)) }
}

/** Greedily, lower positions first where two are equally good. */
function take(
  covariance: Float64Array,
  own: Float64Array,
  left: Map<number | string, number>,
  strata: ArrayLike<number | string>,
): readonly number[] {
  const chosen: number[] = []
  const taken = new Uint8Array(covariance.length)
  let [signal, noise] = [0, 0]
  const count = [...left.values()].reduce((sum, n) => sum + n, 0)
  while (chosen.length < count) {
    let best = -1
    let most = Number.NEGATIVE_INFINITY
    for (let j = 0; j < covariance.length; j++) {
      if (taken[j] === 1 || left.get(strata[j]!) === 0) continue
      const gain = (signal + covariance[j]!) / Math.sqrt(noise + own[j]!)
      if (gain > most) [best, most] = [j, gain]
    }
    chosen.push(best)
    taken[best] = 1
    left.set(strata[best]!, left.get(strata[best]!)! - 1)
    signal += covariance[best]!
    noise += own[best]!
  }
  return chosen
}

/** Examples of each stratum: its share of `count`, what is left over to the largest remainders (Hamilton's method). */
function quotas(strata: ArrayLike<number | string>, N: number, count: number): Map<number | string, number> {
  const sizes = new Map<number | string, number>()
  for (let j = 0; j < N; j++) sizes.set(strata[j]!, (sizes.get(strata[j]!) ?? 0) + 1)
  const result = new Map([...sizes].map(([stratum, size]) => [stratum, Math.floor((count * size) / N)]))
  let left = count - [...result.values()].reduce((sum, n) => sum + n, 0)
  const byRemainder = [...sizes].sort(([, a], [, b]) => ((count * b) % N) - ((count * a) % N))
  for (const [stratum] of byRemainder) if (left-- > 0) result.set(stratum, result.get(stratum)! + 1)
  return result
}

function meanOf(list: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < list.length; i++) sum += list[i]!
  return sum / list.length
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
