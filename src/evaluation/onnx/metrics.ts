/**
 * Scores of single examples from logits. Shapes: logits (n, c) row-major, labels (n,) in 0 .. c - 1, result (n,).
 * A NaN among an example's logits makes its score NaN, whatever the metric: a broken model must not look like a wrong answer.
 */
export type ExampleMetric = (logits: Float32Array, classes: number, labels: Int32Array, target: Float32Array) => void

/** 1 where the largest logit is the label's, else 0. Ties: the lowest class index wins. */
export const accuracy: ExampleMetric = (logits, classes, labels, target) => {
  for (let i = 0; i < labels.length; i++) {
    const row = i * classes
    let best = 0
    let bestValue = logits[row]!
    let broken = Number.isNaN(bestValue)
    for (let c = 1; c < classes; c++) {
      const value = logits[row + c]!
      if (value > bestValue) {
        best = c
        bestValue = value
      }
      if (Number.isNaN(value)) broken = true
    }
    target[i] = broken ? Number.NaN : best === labels[i] ? 1 : 0
  }
}

/** -ln softmax(logits)[label] = ln Σ exp(z - max) - (z[label] - max), in float64, rounded to float32 at the end. Nats. */
export const negativeLogLikelihood: ExampleMetric = (logits, classes, labels, target) => {
  for (let i = 0; i < labels.length; i++) {
    const row = i * classes
    let max = Number.NEGATIVE_INFINITY
    for (let c = 0; c < classes; c++) max = Math.max(max, logits[row + c]!) // NaN stays NaN
    let sum = 0
    for (let c = 0; c < classes; c++) sum += Math.exp(logits[row + c]! - max)
    target[i] = Math.log(sum) - (logits[row + labels[i]!]! - max)
  }
}

/** Mean in float64, left to right: the same numbers give the same bits. */
export function mean(scores: Float32Array): number {
  let sum = 0
  for (const score of scores) sum += score
  return sum / scores.length
}
