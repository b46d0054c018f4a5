// Fronts of accuracies (larger is better) beside each other, and the dense direct search that stands for the truth.
import { createRng } from './lib/amalgam.mjs'

/** The entries whose `values` no other entry's dominate, one of each set of equals. @template {{ values: number[] }} T @param {T[]} entries @returns {T[]} */
export function nonDominated(entries) {
  const kept = []
  const order = [...entries].sort((a, b) => sum(b.values) - sum(a.values)) // what dominates has the larger sum
  for (const entry of order) {
    if (!kept.some(other => other.values.every((v, k) => v >= entry.values[k]))) kept.push(entry)
  }
  return kept
}

const sum = values => values.reduce((total, v) => total + v, 0)

/**
 * Share of comparisons that front A wins against front B, over all pairs of points and all tasks, ties half: the paper's win rate (L. Li et al., "MAP",
 * ICLR 2025). Equal fronts: 0.5.
 */
export function winRate(a, b) {
  let wins = 0
  for (const x of a) {
    for (const y of b) {
      for (let k = 0; k < x.length; k++) wins += x[k] > y[k] ? 1 : x[k] === y[k] ? 0.5 : 0
    }
  }
  return wins / (a.length * b.length * a[0].length)
}

/** Mean distance from the points of `from` to the nearest of `to`, each task's values in units of its range over the truth. */
export function meanDistance(from, to, ranges) {
  const total = from.reduce((acc, x) => {
    let least = Infinity
    for (const y of to) {
      let squares = 0
      for (let k = 0; k < x.length; k++) squares += ((x[k] - y[k]) / ranges[k]) ** 2
      least = Math.min(least, squares)
    }
    return acc + Math.sqrt(least)
  }, 0)
  return total / from.length
}

/** As {@link meanDistance}, counting only where `to` is worse (H. Ishibuchi et al., EMO 2015): IGD+ for from = truth, to = front. */
export function meanShortfall(from, to, ranges) {
  const total = from.reduce((acc, x) => {
    let least = Infinity
    for (const y of to) {
      let squares = 0
      for (let k = 0; k < x.length; k++) squares += (Math.max(0, x[k] - y[k]) / ranges[k]) ** 2
      least = Math.min(least, squares)
    }
    return acc + Math.sqrt(least)
  }, 0)
  return total / from.length
}

export function rangesOf(points) {
  return points[0].map((_, k) => Math.max(...points.map(p => p[k])) - Math.min(...points.map(p => p[k])) || 1)
}

/**
 * Dense direct search: for many weightings of the tasks the best augmented Tchebycheff value, from the best of a large uniform sample, by a (1+1)
 * evolution strategy with the 1/5 rule. What it finds, without the dominated, is the reference front.
 * @param {(c: Float64Array) => number[]} accuracies
 * @param {{ d: number, sample: number, directions: number, steps: number, seed: number, high?: number }} effort genes lie in [0, high]
 * @returns {{ genome: Float64Array, values: number[] }[]}
 */
export function denseFront(accuracies, { d, sample, directions, steps, seed, high = 1 }) {
  const rng = createRng(seed)
  const points = Array.from({ length: sample }, () => {
    const genome = Float64Array.from({ length: d }, () => high * rng.uniform())
    return { genome, values: accuracies(genome) }
  })
  const m = points[0].values.length
  const best = Array.from({ length: m }, (_, k) => Math.max(...points.map(p => p.values[k])))
  const ends = []
  for (let r = 0; r < directions; r++) {
    const weights = Array.from({ length: m }, () => -Math.log(1 - rng.uniform()))
    const total = sum(weights)
    const value = values => {
      let worst = -Infinity
      let mean = 0
      for (let k = 0; k < m; k++) {
        const term = (weights[k] / total) * (best[k] - values[k])
        worst = Math.max(worst, term)
        mean += term
      }
      return worst + 0.05 * mean
    }
    let at = points.reduce((a, b) => (value(b.values) < value(a.values) ? b : a))
    let least = value(at.values)
    let sigma = 0.1 * high
    for (let step = 0; step < steps; step++) {
      const genome = at.genome.map(v => Math.min(high, Math.max(0, v + sigma * rng.normal())))
      const values = accuracies(genome)
      const found = value(values)
      if (found <= least) {
        least = found
        at = { genome, values }
        sigma *= Math.exp(0.8 / 3)
      } else sigma *= Math.exp(-0.2 / 3)
    }
    ends.push(at)
  }
  return nonDominated([...points, ...ends])
}
