import type { Rng } from '../../rng.ts'

/** A feature of the inputs: numeric in [0, 1], or an index into `choices` equal-standing choices. */
export type Feature = { readonly kind: 'numeric' } | { readonly kind: 'choice'; readonly choices: number }

/** What a forest predicts at a point. */
export interface Prediction {
  readonly mean: number
  readonly variance: number
}

export interface ForestOptions {
  readonly trees: number
}

/**
 * A random regression forest that knows how sure it is.
 *
 *     n observations, d features, B trees; leaf ℓ_b(x) of tree b holds observations with mean μ_b and variance σ_b²
 *
 * Each tree is grown on a bootstrap sample down to leaves whose observations are equal in y or x. At a node every feature offers one
 * random split (numeric: a uniform threshold between the node's least and largest value; choice: a random non-trivial subset of
 * the choices that occur); the one that lowers the squared error most is taken (P. Geurts, D. Ernst, L. Wehenkel, "Extremely
 * randomized trees", Machine Learning 63, 2006, with bagging: what SMAC uses).
 *
 * Prediction by the law of total variance over trees (F. Hutter, L. Xu, H. Hoos, K. Leyton-Brown, "Algorithm runtime prediction: methods
 * & evaluation", Artificial Intelligence 206, 2014, section 4.3.2):
 *
 *     mean = avg_b μ_b,   variance = avg_b σ_b² + avg_b μ_b² - mean²
 */
export class RegressionForest {
  readonly #trees: readonly Tree[]

  private constructor(trees: readonly Tree[]) {
    this.#trees = trees
  }

  /**
   * @param inputs shape (n, d), row-major, n >= 1.
   * @param targets shape (n,), finite.
   */
  static fit(
    inputs: Float64Array,
    targets: Float64Array,
    features: readonly Feature[],
    options: ForestOptions,
    rng: Rng,
  ): RegressionForest {
    const n = targets.length
    const trees = Array.from({ length: options.trees }, () => {
      const sample = Int32Array.from({ length: n }, () => rng.integer(0, n))
      return growTree(inputs, targets, features, sample, rng)
    })
    return new RegressionForest(trees)
  }

  /** @param point shape (d,). */
  predict(point: ArrayLike<number>): Prediction {
    let sum = 0
    let squares = 0
    let within = 0
    for (const tree of this.#trees) {
      const leaf = tree.leaf(point)
      const mean = tree.means[leaf]!
      sum += mean
      squares += mean * mean
      within += tree.variances[leaf]!
    }
    const count = this.#trees.length
    const mean = sum / count
    return { mean, variance: within / count + Math.max(0, squares / count - mean * mean) }
  }
}

/** Nodes in flat arrays; node 0 is the root, a node without children a leaf. */
class Tree {
  /** Feature split on; -1: leaf. */
  readonly #feature: readonly number[]
  /** Numeric split: values up to it go left. Choice split: index into `#subsets`. */
  readonly #threshold: readonly number[]
  /** Left child; the right one follows it. */
  readonly #left: readonly number[]
  /** Per choice 1: goes left. */
  readonly #subsets: readonly Uint8Array[]
  readonly #isChoice: readonly boolean[]
  readonly means: readonly number[]
  readonly variances: readonly number[]

  constructor(nodes: Nodes, features: readonly Feature[]) {
    this.#feature = nodes.feature
    this.#threshold = nodes.threshold
    this.#left = nodes.left
    this.#subsets = nodes.subsets
    this.#isChoice = features.map(feature => feature.kind === 'choice')
    this.means = nodes.means
    this.variances = nodes.variances
  }

  leaf(point: ArrayLike<number>): number {
    let node = 0
    for (;;) {
      const feature = this.#feature[node]!
      if (feature < 0) return node
      const value = point[feature]!
      const threshold = this.#threshold[node]!
      const goesLeft = this.#isChoice[feature] ? this.#subsets[threshold]![value] === 1 : value <= threshold
      node = this.#left[node]! + (goesLeft ? 0 : 1)
    }
  }
}

interface Nodes {
  readonly feature: number[]
  readonly threshold: number[]
  readonly left: number[]
  readonly subsets: Uint8Array[]
  readonly means: number[]
  readonly variances: number[]
}

interface Split {
  readonly feature: number
  readonly threshold: number
  readonly subset: Uint8Array | undefined
  /** Sum over both sides of (Σ y)² / count: the larger, the lower the squared error. */
  readonly score: number
}

function growTree(
  inputs: Float64Array,
  targets: Float64Array,
  features: readonly Feature[],
  sample: Int32Array,
  rng: Rng,
): Tree {
  const nodes: Nodes = { feature: [-1], threshold: [0], left: [0], subsets: [], means: [0], variances: [0] }
  const d = features.length
  // Depth first, each node a stretch of `sample` that its split sorts into left and right.
  const stack = [{ node: 0, start: 0, end: sample.length }]
  for (let work = stack.pop(); work !== undefined; work = stack.pop()) {
    const { node, start, end } = work
    const rows = sample.subarray(start, end)
    const { mean, variance } = moments(targets, rows)
    nodes.means[node] = mean
    nodes.variances[node] = variance
    const split = variance > 0 ? bestSplit(inputs, targets, features, rows, rng) : undefined
    if (split === undefined) continue
    const middle = start + partition(inputs, d, rows, split)
    const left = nodes.feature.length
    nodes.feature[node] = split.feature
    nodes.left[node] = left
    nodes.threshold[node] = split.subset === undefined ? split.threshold : nodes.subsets.push(split.subset) - 1
    nodes.feature.push(-1, -1)
    nodes.threshold.push(0, 0)
    nodes.left.push(0, 0)
    nodes.means.push(0, 0)
    nodes.variances.push(0, 0)
    stack.push({ node: left, start, end: middle }, { node: left + 1, start: middle, end })
  }
  return new Tree(nodes, features)
}

/** Mean and population variance, in two passes. */
function moments(targets: Float64Array, rows: Int32Array): { readonly mean: number; readonly variance: number } {
  let sum = 0
  for (const row of rows) sum += targets[row]!
  const mean = sum / rows.length
  let squares = 0
  for (const row of rows) squares += (targets[row]! - mean) ** 2
  return { mean, variance: squares / rows.length }
}

/** The best of one random split per feature that varies in these rows; `undefined` if none does. */
function bestSplit(
  inputs: Float64Array,
  targets: Float64Array,
  features: readonly Feature[],
  rows: Int32Array,
  rng: Rng,
): Split | undefined {
  const d = features.length
  let best: Split | undefined
  for (let j = 0; j < d; j++) {
    const feature = features[j]!
    let threshold = 0
    let subset: Uint8Array | undefined
    if (feature.kind === 'numeric') {
      let low = Number.POSITIVE_INFINITY
      let high = Number.NEGATIVE_INFINITY
      for (const row of rows) {
        const value = inputs[row * d + j]!
        if (value < low) low = value
        if (value > high) high = value
      }
      if (!(low < high)) continue
      threshold = low + rng.uniform() * (high - low)
      if (threshold >= high) threshold = low // rounding; the largest value must stay on the right
    } else {
      subset = randomSubset(inputs, d, j, feature.choices, rows, rng)
      if (subset === undefined) continue
    }
    let count = 0
    let sum = 0
    let total = 0
    for (const row of rows) {
      const value = inputs[row * d + j]!
      const y = targets[row]!
      total += y
      if (subset === undefined ? value <= threshold : subset[value] === 1) {
        sum += y
        count++
      }
    }
    const score = (sum * sum) / count + (total - sum) ** 2 / (rows.length - count)
    if (best === undefined || score > best.score) best = { feature: j, threshold, subset, score }
  }
  return best
}

/** Which choices go left: a uniform non-trivial part of those that occur; choices that do not occur follow a coin. */
function randomSubset(
  inputs: Float64Array,
  d: number,
  j: number,
  choices: number,
  rows: Int32Array,
  rng: Rng,
): Uint8Array | undefined {
  const occurs = new Uint8Array(choices)
  for (const row of rows) occurs[inputs[row * d + j]!] = 1
  const kinds = occurs.reduce((sum, flag) => sum + flag, 0)
  if (kinds < 2) return undefined
  for (;;) {
    const subset = Uint8Array.from({ length: choices }, () => rng.integer(0, 2))
    const left = subset.reduce((sum, flag, c) => sum + (flag & occurs[c]!), 0)
    if (left > 0 && left < kinds) return subset
  }
}

/** Moves the rows that go left to the front, in place; returns how many. */
function partition(inputs: Float64Array, d: number, rows: Int32Array, split: Split): number {
  let front = 0
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    const value = inputs[row * d + split.feature]!
    if (split.subset === undefined ? value > split.threshold : split.subset[value] !== 1) continue
    rows[i] = rows[front]!
    rows[front++] = row
  }
  return front
}
