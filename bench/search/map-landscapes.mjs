// Accuracies of merges whose truth is known: per task a sigmoid of a quadratic in the scales of the task vectors, plus a cubic part that no
// quadratic surrogate can hold, measured on a finite set of examples.
import { createRng } from './lib/amalgam.mjs'

/** Examples a task is measured on. */
const EXAMPLES = 500
/** Cubic directions per task. */
const CUBICS = 3

const sigmoid = x => 1 / (1 + Math.exp(-x))

/**
 * Scales c in [0, 1]^T. Task k: the base model is mediocre, the scale s_k of its own task vector is best, other task vectors interfere.
 *
 *     logit a_k(c) = top_k - a_k (c_k - s_k)² - Σ_{j≠k} b_kj c_j² + Σ_{i<j} h_kij c_i c_j + κ Σ_r γ_kr (w_kr · (2c - 1))³
 *
 * @param {{ tasks: number, instance: number, cubic: number }} parameters cubic: κ, 0 for a well-specified landscape
 * @returns {{ tasks: number, accuracies: (c: ArrayLike<number>) => number[], measure: (c: ArrayLike<number>) => { values: number[], scores: Float32Array[] } }}
 *   `accuracies`: the truth; `measure`: the share of right answers of fixed examples, each right where its own threshold is passed
 */
export function landscape({ tasks, instance, cubic }) {
  const rng = createRng(1000 * tasks + instance)
  const between = (low, high) => low + (high - low) * rng.uniform()
  const parts = Array.from({ length: tasks }, (_, k) => {
    const base = between(-0.5, 0.8)
    const top = between(2, 3)
    const best = between(0.6, 0.95)
    const others = Array.from({ length: tasks }, () => between(0.5, 2) / Math.sqrt(Math.max(1, tasks - 1)))
    others[k] = 0
    const products = Array.from({ length: tasks }, () =>
      Array.from({ length: tasks }, () => (0.5 * rng.normal()) / Math.max(1, tasks - 1)),
    )
    const cubics = Array.from({ length: CUBICS }, () => {
      const direction = Array.from({ length: tasks }, () => rng.normal())
      const length = Math.hypot(...direction)
      return { direction: direction.map(v => v / length), size: rng.normal() }
    })
    const thresholds = Float64Array.from({ length: EXAMPLES }, () => {
      const u = rng.uniform()
      return Math.log(u / (1 - u))
    })
    return { top, best, curvature: (top - base) / best ** 2, others, products, cubics, thresholds }
  })
  const logit = (c, k) => {
    const { top, best, curvature, others, products, cubics } = parts[k]
    let eta = top - curvature * (c[k] - best) ** 2
    for (let j = 0; j < tasks; j++) {
      eta -= others[j] * c[j] ** 2
      for (let i = 0; i < j; i++) eta += products[i][j] * c[i] * c[j]
    }
    for (const { direction, size } of cubics) {
      let t = 0
      for (let i = 0; i < tasks; i++) t += direction[i] * (2 * c[i] - 1)
      eta += cubic * size * t ** 3
    }
    return eta
  }
  return {
    tasks,
    accuracies: c => parts.map((_, k) => sigmoid(logit(c, k))),
    measure: c => {
      const scores = parts.map(({ thresholds }, k) => {
        const eta = logit(c, k)
        return Float32Array.from(thresholds, threshold => (threshold < eta ? 1 : 0))
      })
      return { values: scores.map(row => row.reduce((sum, v) => sum + v, 0) / row.length), scores }
    },
  }
}
