/** Mean of the first `size` scores, in float64, left to right, as evaluators take means. */
export function prefixMean(scores: Float32Array, size: number): number {
  let sum = 0
  for (let i = 0; i < size; i++) sum += scores[i]!
  return sum / size
}
