/** Ranks from 0, ties getting the mean of theirs. Shape (n,). */
export function averageRanks(values: Float64Array): Float64Array {
  const order = Array.from(values.keys()).sort((i, j) => values[i]! - values[j]!)
  const ranks = new Float64Array(values.length)
  for (let from = 0; from < order.length; ) {
    let to = from + 1
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++
    for (let i = from; i < to; i++) ranks[order[i]!] = (from + to - 1) / 2
    from = to
  }
  return ranks
}

/**
 * Average precision: the mean over the relevant items of the share of relevant items among those that score as high or higher.
 * Ties count as one step, so the order of the items does not matter. NaN where a score is NaN or nothing is relevant.
 */
export function averagePrecision(scores: Float64Array, relevant: readonly boolean[]): number {
  if (scores.some(Number.isNaN)) return Number.NaN
  const order = Array.from(scores.keys()).sort((i, j) => scores[j]! - scores[i]!)
  let [seen, hits, sum] = [0, 0, 0]
  for (let from = 0; from < order.length; ) {
    let to = from
    let own = 0
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) if (relevant[order[to++]!]) own++
    seen += to - from
    hits += own
    sum += own * (hits / seen)
    from = to
  }
  return sum / hits
}
