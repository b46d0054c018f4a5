import type { Gram } from './operator.ts'

/** Below this sine two directions are as good as parallel, and interpolation on the sphere is interpolation on the line. */
const PARALLEL = 1e-6

/**
 * Factors (f0, f1) of K. Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985, section 3.3:
 * f0 = sin((1 − t) θ) / sin θ, f1 = sin(t θ) / sin θ; 1 − t and t where the directions are (anti)parallel.
 * @param cosine of the angle between the directions, in [-1, 1]
 */
export function slerpFactors(t: number, cosine: number): readonly [number, number] {
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)))
  const sine = Math.sin(angle)
  if (Math.abs(sine) < PARALLEL) return [1 - t, t]
  return [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine]
}

/** ‖Σ c_v x_v‖ from inner products of the x_v. */
export function normIn(gram: Gram, c: readonly number[]): number {
  let sum = 0
  for (let i = 0; i < c.length; i++) for (let j = 0; j < c.length; j++) sum += c[i]! * c[j]! * gram.at(i, j)
  return Math.sqrt(Math.max(0, sum))
}
