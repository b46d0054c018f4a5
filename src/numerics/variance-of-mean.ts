/**
 * Squared standard error of the mean of scores, as an estimate from them. Scores of 0 and 1 are counts: p (1 - p) / e with
 * p = (successes + 1) / (e + 2), so that a perfect score on few examples is not taken as certain. Others: the sample variance over e.
 *
 * @param scores shape (e,), e >= 2
 */
export function varianceOfMean(scores: ArrayLike<number>): number {
  const e = scores.length
  let sum = 0
  let isCount = true
  for (let j = 0; j < e; j++) {
    sum += scores[j]!
    isCount &&= scores[j] === 0 || scores[j] === 1
  }
  if (isCount) {
    const p = (sum + 1) / (e + 2)
    return (p * (1 - p)) / e
  }
  let squares = 0
  for (let j = 0; j < e; j++) squares += (scores[j]! - sum / e) ** 2
  return squares / ((e - 1) * e)
}
