import { solveLinear } from '../numerics/linear-solve.ts'
import { createRng } from '../rng.ts'

/**
 * Item response model of a run's own examples: how hard each is, and for which abilities, learned from the models that have answered all of
 * them (the parents and finished candidates). With skills θ_i of model i and loadings a_j, offset d_j of example j,
 *
 *     P(right) = σ(a_j · θ_i + d_j),   θ_i ~ N(0, I_K),   a_j ~ N(e_1, LOADING² I_K),   d_j ~ N(0, OFFSET²),
 *
 * e_1 = (1, 0, …): the first skill helps everywhere, the others tell examples apart as far as the answers of a dozen models can. It is the multidimensional two-parameter logistic model (M. D. Reckase, "Multidimensional Item Response Theory", 2009, eq. 4.5), fitted by maximum a
 * posteriori in turns, skills and examples, each by Newton's method. K = 1 is Birnbaum's 2PL.
 *
 * Unlike banks of items fitted to other people's models (F. M. Polo et al., "tinyBenchmarks", ICML 2024) it knows nothing but this run, and it
 * takes a new candidate to be one more of the kind that it has seen: their skills are the prior of its own.
 *
 * A prediction steers a search. It is never what a report quotes.
 */
export interface ResponseModel {
  readonly skills: number // K
  /** Shape (N, K + 1): a_j, then d_j. */
  readonly items: Float64Array
  /** Mean and covariance of the skills of models like those it was fitted on, shapes (K,), (K, K). */
  readonly mean: Float64Array
  readonly covariance: Float64Array
}

/** What is known of a model after some of its answers. */
export interface Skill {
  readonly mode: Float64Array // shape (K,)
  /** Inverse curvature at the mode, shape (K, K). */
  readonly covariance: Float64Array
}

export interface Prediction {
  /** Mean score over all examples: those answered as they are, the others as the model expects. */
  readonly value: number
  readonly standardError: number
}

/** Deviation of the examples' offsets: some are right, or wrong, whoever answers. */
const OFFSET = 1.5
/** Deviation of the loadings: a dozen answers an example cannot tell them well. */
const LOADING = 0.1
const SWEEPS = 25
const NEWTON_STEPS = 8

/**
 * @param answers of M ≥ 2 models to all N examples: scores in 0..1, each list of shape (N,)
 * @param skills K
 */
export function fitResponseModel(answers: readonly ArrayLike<number>[], skills = 1): ResponseModel {
  const [M, N, K] = [answers.length, answers[0]!.length, skills]
  const rng = createRng(0).split('response model')
  const theta = Array.from({ length: M }, () => Float64Array.from({ length: K }, () => 0.1 * rng.normal()))
  const items = new Float64Array(N * (K + 1))
  // A start that means something: the first skill is how many are right, and helps with every example.
  const totals = answers.map(list => Array.from(list).reduce((sum, y) => sum + y, 0) / N)
  const centre = totals.reduce((sum, t) => sum + t, 0) / M
  const spread = Math.sqrt(totals.reduce((sum, t) => sum + (t - centre) ** 2, 0) / M) || 1
  theta.forEach((skill, i) => {
    skill[0] = (totals[i]! - centre) / spread
  })
  for (let j = 0; j < N; j++) {
    items[j * (K + 1)] = 1
    for (let k = 1; k < K; k++) items[j * (K + 1) + k] = 0.1 * rng.normal()
  }
  const itemPrior = Float64Array.from({ length: K + 1 }, (_, k) => 1 / (k < K ? LOADING : OFFSET) ** 2)
  const itemCentre = Float64Array.from({ length: K + 1 }, (_, k) => (k === 0 ? 1 : 0))
  const skillPrior = new Float64Array(K).fill(1)
  const everybody = theta.map((_, i) => i)
  const everything = Array.from({ length: N }, (_, j) => j)
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const design = theta.map(skill => Float64Array.of(...skill, 1))
    for (let j = 0; j < N; j++) {
      const own = items.subarray(j * (K + 1), (j + 1) * (K + 1))
      newton(
        own,
        everybody,
        i => design[i]!,
        () => 0,
        i => answers[i]![j]!,
        diagonal(itemPrior),
        itemCentre,
        2,
      )
    }
    for (let i = 0; i < M; i++)
      newton(
        theta[i]!,
        everything,
        loadingsOf(items, K),
        offsetOf(items, K),
        j => answers[i]![j]!,
        diagonal(skillPrior),
        zeros(K),
        2,
      )
  }
  const mean = Float64Array.from({ length: K }, (_, k) => theta.reduce((sum, skill) => sum + skill[k]!, 0) / (M + 1))
  const covariance = new Float64Array(K * K)
  for (let k = 0; k < K; k++)
    for (let l = 0; l < K; l++) {
      const products = theta.reduce((sum, skill) => sum + (skill[k]! - mean[k]!) * (skill[l]! - mean[l]!), 0)
      covariance[k * K + l] = (products + (k === l ? 1 : 0)) / (M + 1) // one imagined model with the prior's spread
    }
  return { skills: K, items, mean, covariance }
}

/** A model's skills from its answers to some examples: `answers[n]` is that to example `examples[n]`. */
export function skillOf(model: ResponseModel, examples: readonly number[], answers: ArrayLike<number>): Skill {
  const { skills: K, items, mean, covariance } = model
  const precision = inverse(covariance, K)
  const mode = mean.slice()
  const positions = examples.map((_, n) => n)
  const loadings = loadingsOf(items, K)
  const offset = offsetOf(items, K)
  const curvature = newton(
    mode,
    positions,
    n => loadings(examples[n]!),
    n => offset(examples[n]!),
    n => answers[n]!,
    precision,
    mean,
    NEWTON_STEPS,
  )
  return { mode, covariance: inverse(curvature, K) }
}

/**
 * The mean score over all examples, with its standard error: that of the skills, by the delta method, and the chance in each unseen answer.
 */
export function predictMean(model: ResponseModel, examples: readonly number[], answers: ArrayLike<number>): Prediction {
  const { skills: K, items } = model
  const N = items.length / (K + 1)
  const { mode, covariance } = skillOf(model, examples, answers)
  const seen = new Set(examples)
  let sum = 0
  for (let n = 0; n < examples.length; n++) sum += answers[n]!
  const gradient = new Float64Array(K)
  let chance = 0
  for (let j = 0; j < N; j++) {
    if (seen.has(j)) continue
    const p = probability(items, K, j, mode)
    sum += p
    chance += p * (1 - p)
    for (let k = 0; k < K; k++) gradient[k]! += p * (1 - p) * items[j * (K + 1) + k]!
  }
  return { value: sum / N, standardError: Math.sqrt(quadratic(gradient, covariance, K) + chance) / N }
}

/**
 * The examples that tell the most of the mean score of a candidate about whom `skill` is known: one after another, each shrinks the variance of
 * the predicted mean the most, by the Fisher information p (1 − p) a aᵀ of its answer at the mode.
 *
 * To rank candidates choose once, for all of them, from {@link unknownSkill}: what examples have in common then cancels. Chosen anew for each
 * candidate, examples tell more of its score and less of its rank.
 *
 * @param exclude examples that have been answered
 * @returns `count` examples, or as many as there are
 */
export function chooseExamples(
  model: ResponseModel,
  skill: Skill,
  count: number,
  exclude: ReadonlySet<number>,
): number[] {
  const { skills: K, items } = model
  const N = items.length / (K + 1)
  const covariance = skill.covariance.slice()
  const weights = new Float64Array(N)
  const gradient = new Float64Array(K)
  for (let j = 0; j < N; j++) {
    const p = probability(items, K, j, skill.mode)
    weights[j] = p * (1 - p)
    for (let k = 0; k < K; k++) gradient[k]! += weights[j]! * items[j * (K + 1) + k]!
  }
  const chosen: number[] = []
  const taken = new Set(exclude)
  while (chosen.length < count && taken.size < N) {
    // Sherman-Morrison: an answer with information w a aᵀ lowers gᵀ Σ g by w (gᵀ Σ a)² / (1 + w aᵀ Σ a).
    const direction = product(covariance, gradient, K)
    let best = -1
    let most = -1
    for (let j = 0; j < N; j++) {
      if (taken.has(j)) continue
      const a = items.subarray(j * (K + 1), j * (K + 1) + K)
      const gain = (weights[j]! * dot(direction, a, K) ** 2) / (1 + weights[j]! * quadratic(a, covariance, K))
      if (gain > most) [best, most] = [j, gain]
    }
    chosen.push(best)
    taken.add(best)
    const a = items.subarray(best * (K + 1), best * (K + 1) + K)
    const moved = product(covariance, a, K)
    const scale = weights[best]! / (1 + weights[best]! * dot(moved, a, K))
    for (let k = 0; k < K; k++) for (let l = 0; l < K; l++) covariance[k * K + l]! -= scale * moved[k]! * moved[l]!
  }
  return chosen
}

/** What is known of a candidate before its first answer. */
export function unknownSkill({ mean, covariance }: ResponseModel): Skill {
  return { mode: mean, covariance }
}

/**
 * Newton's method for a logistic posterior, in place: maximises Σ y ln p + (1 − y) ln (1 − p) − ½ (x − m)ᵀ Λ (x − m), p = σ(z · x + offset).
 * Steps that do not improve are halved. Returns the negative Hessian at the last point but one, shape (n, n).
 */
function newton(
  x: Float64Array,
  rows: readonly number[],
  z: (row: number) => Float64Array,
  offset: (row: number) => number,
  y: (row: number) => number,
  precision: Float64Array,
  centre: Float64Array,
  steps: number,
): Float64Array {
  const n = x.length
  let hessian = precision
  for (let step = 0; step < steps; step++) {
    const gradient = new Float64Array(n)
    hessian = precision.slice()
    for (let k = 0; k < n; k++) for (let l = 0; l < n; l++) gradient[k]! -= precision[k * n + l]! * (x[l]! - centre[l]!)
    for (const row of rows) {
      const features = z(row)
      const p = sigmoid(dot(features, x, n) + offset(row))
      const w = Math.max(p * (1 - p), 1e-6)
      for (let k = 0; k < n; k++) {
        gradient[k]! += (y(row) - p) * features[k]!
        for (let l = 0; l < n; l++) hessian[k * n + l]! += w * features[k]! * features[l]!
      }
    }
    const move = solveLinear(hessian, gradient)
    if (move === undefined) break
    // A step of more than 2 leaves where the quadratic is the function's likeness.
    const length = Math.sqrt(dot(move, move, n))
    const scale = length > 2 ? 2 / length : 1
    for (let k = 0; k < n; k++) x[k]! += scale * move[k]!
    if (length < 1e-8) break
  }
  return hessian
}

function loadingsOf(items: Float64Array, K: number): (j: number) => Float64Array {
  return j => items.subarray(j * (K + 1), j * (K + 1) + K)
}

function offsetOf(items: Float64Array, K: number): (j: number) => number {
  return j => items[j * (K + 1) + K]!
}

function probability(items: Float64Array, K: number, j: number, skill: Float64Array): number {
  return sigmoid(dot(loadingsOf(items, K)(j), skill, K) + items[j * (K + 1) + K]!)
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x))
}

function dot(a: Float64Array, b: Float64Array, n: number): number {
  let sum = 0
  for (let k = 0; k < n; k++) sum += a[k]! * b[k]!
  return sum
}

function product(a: Float64Array, x: Float64Array, n: number): Float64Array {
  return Float64Array.from({ length: n }, (_, k) => dot(a.subarray(k * n, (k + 1) * n), x, n))
}

function quadratic(x: Float64Array, a: Float64Array, n: number): number {
  return dot(x, product(a, x, n), n)
}

function diagonal(values: Float64Array): Float64Array {
  const n = values.length
  return Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? values[i / (n + 1)]! : 0))
}

function zeros(n: number): Float64Array {
  return new Float64Array(n)
}

/** Column by column; the matrices here are positive definite. */
function inverse(a: Float64Array, n: number): Float64Array {
  const result = new Float64Array(n * n)
  for (let column = 0; column < n; column++) {
    const unit = new Float64Array(n)
    unit[column] = 1
    const solved = solveLinear(a, unit)
    if (solved === undefined) throw new RangeError('Expected a covariance that can be inverted.')
    for (let k = 0; k < n; k++) result[k * n + column] = solved[k]!
  }
  return result
}
