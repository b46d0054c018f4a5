// What the tables need of statistics; lists may be in any order.

export const ascending = values => [...values].sort((a, b) => a - b)

export function median(values) {
  return quantile(values, 0.5)
}

/** Linear interpolation between order statistics. NaN for an empty list. */
export function quantile(values, p) {
  const sorted = ascending(values)
  const position = p * (sorted.length - 1)
  const below = Math.floor(position)
  const above = Math.ceil(position)
  if (sorted.length === 0) return Number.NaN
  if (below === above) return sorted[below]
  return sorted[below] + (position - below) * (sorted[above] - sorted[below])
}

export const mean = values => values.reduce((sum, v) => sum + v, 0) / values.length

export const geometricMean = values => Math.exp(mean(values.map(Math.log)))

/**
 * Wilcoxon's signed-rank test of paired differences, two-sided, exact: the distribution of the rank sum over all signs, with mid-ranks for ties.
 * Zero differences are left out.
 * @returns {{ p: number, positive: number, negative: number, n: number }} rank sums by sign
 */
export function signedRank(differences) {
  const kept = differences.filter(v => v !== 0).sort((a, b) => Math.abs(a) - Math.abs(b))
  const n = kept.length
  if (n === 0) return { p: 1, positive: 0, negative: 0, n }
  const doubled = new Array(n) // twice the mid-rank, an integer
  for (let i = 0; i < n; ) {
    let end = i
    while (end < n && Math.abs(kept[end]) === Math.abs(kept[i])) end++
    for (let j = i; j < end; j++) doubled[j] = i + 1 + end
    i = end
  }
  const total = doubled.reduce((sum, r) => sum + r, 0)
  let ways = new Float64Array(total + 1)
  ways[0] = 1
  for (const r of doubled) {
    const next = ways.slice()
    for (let s = r; s <= total; s++) next[s] += ways[s - r]
    ways = next
  }
  const positive = kept.reduce((sum, v, i) => sum + (v > 0 ? doubled[i] : 0), 0)
  const extreme = Math.min(positive, total - positive)
  let tail = 0
  for (let s = 0; s <= extreme; s++) tail += ways[s]
  return { p: Math.min(1, (2 * tail) / 2 ** n), positive: positive / 2, negative: (total - positive) / 2, n }
}

/** Holm's step-down adjustment of p-values, in the order given. */
export function holm(pValues) {
  const order = pValues.map((_, i) => i).sort((a, b) => pValues[a] - pValues[b])
  const adjusted = new Array(pValues.length)
  let least = 0
  order.forEach((index, rank) => {
    least = Math.max(least, Math.min(1, (pValues.length - rank) * pValues[index]))
    adjusted[index] = least
  })
  return adjusted
}

/** Expected running time: evaluations of all runs over the number of successes. @param {{ hit: number | null, evaluations: number }[]} runs */
export function expectedRunningTime(runs) {
  const successes = runs.filter(run => run.hit !== null).length
  return runs.reduce((sum, run) => sum + (run.hit ?? run.evaluations), 0) / successes
}

/**
 * Area under the empirical distribution of runtimes: the mean over runs and targets of the share of log10(evaluations / d), from 0 to 4, that
 * remains when the target is hit. 1: at once; 0: never within 1e4 d evaluations.
 * @param {{ hits: (number | null)[], d: number }[]} runs
 */
export function runtimeArea(runs) {
  return mean(
    runs.flatMap(({ hits, d }) => hits.map(hit => (hit === null ? 0 : 1 - Math.max(0, Math.log10(hit / d)) / 4))),
  )
}

/** 95 % interval of the mean: percentiles of 10,000 resamples, drawn by a fixed generator. */
export function bootstrapInterval(values) {
  let state = 1
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  const means = Array.from({ length: 10_000 }, () => {
    let sum = 0
    for (let i = 0; i < values.length; i++) sum += values[Math.floor(next() * values.length)]
    return sum / values.length
  })
  return [quantile(means, 0.025), quantile(means, 0.975)]
}

/**
 * Mann and Whitney's test of two independent samples, two-sided, exact: over all ways to choose which of the pooled values are the first
 * sample's, counted by how many choices have which sum of ranks; equal values share theirs.
 * @returns {number} p
 */
export function rankSum(first, second) {
  const pooled = [...first, ...second]
  // Twice the middle rank, which is a whole number.
  const ranks = pooled.map(value => pooled.reduce((sum, v) => sum + (v < value ? 2 : v === value ? 1 : 0), 1))
  const most = ranks.reduce((sum, rank) => sum + rank, 0)
  const choices = Array.from({ length: first.length + 1 }, () => new Float64Array(most + 1))
  choices[0][0] = 1
  for (const rank of ranks) {
    for (let k = first.length; k > 0; k--) {
      for (let sum = most; sum >= rank; sum--) choices[k][sum] += choices[k - 1][sum - rank]
    }
  }
  const centre = (most * first.length) / pooled.length
  const observed = Math.abs(ranks.slice(0, first.length).reduce((sum, rank) => sum + rank, 0) - centre)
  let extreme = 0
  let all = 0
  for (const [sum, count] of choices[first.length].entries()) {
    all += count
    if (Math.abs(sum - centre) >= observed - 1e-9) extreme += count
  }
  return extreme / all
}
