/**
 * Upper end of a confidence sequence for the mean of N bounded numbers of which some have been drawn without replacement: the
 * predictable-mixture empirical Bernstein sequence of I. Waudby-Smith, A. Ramdas ("Confidence sequences for sampling without
 * replacement", NeurIPS 2020, Theorem 2; "Estimating means of bounded random variables by betting", JRSS B 86, 2024, §3.2 for λ).
 *
 * For x in [0, 1], with μ̂ and σ̂² running means over the draws and one imagined draw of ½ with variance ¼,
 *
 *     λ_t = min(½, √(2 ln(1/α) / (t ln(1 + t) σ̂²_{t−1}))),   ψ(λ) = −ln(1 − λ) − λ,
 *     upper = [Σ λ_i (x_i + S_{i−1} / (N − i + 1)) + ln(1/α) + Σ (x_i − μ̂_{i−1})² ψ(λ_i)] / Σ λ_i N / (N − i + 1),
 *
 * S_{i−1} the sum of the draws before. The mean of all N is below it at *every* t with probability 1 − α: one may look as often as one likes.
 *
 * @param values shape (t,), the draws in order, each in [low, high]
 * @param total N ≥ t
 * @returns the least of the upper ends so far, in [low, high]
 */
export function empiricalBernsteinUpper(
  values: ArrayLike<number>,
  low: number,
  high: number,
  total: number,
  alpha: number,
): number {
  const width = high - low
  const logAlpha = Math.log(1 / alpha)
  let sum = 0
  let mean = 0.5
  let squares = 0.25
  let weighted = 0
  let weights = 0
  let penalty = 0
  let least = 1
  for (let t = 1; t <= values.length; t++) {
    const x = Math.min(1, Math.max(0, (values[t - 1]! - low) / width)) // rounding may leave the range
    const variance = squares / t
    const lambda = Math.min(0.5, Math.sqrt((2 * logAlpha) / (t * Math.log(1 + t) * variance)))
    const left = total - t + 1
    weighted += lambda * (x + sum / left)
    weights += (lambda * total) / left
    penalty += (x - mean) ** 2 * (-Math.log1p(-lambda) - lambda)
    sum += x
    mean = (0.5 + sum) / (t + 1)
    squares += (x - mean) ** 2
    least = Math.min(least, (weighted + logAlpha + penalty) / weights)
  }
  return low + width * Math.max(0, least)
}
