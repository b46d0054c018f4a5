import type { MergeOperator } from './operator.ts'
import { combination, dot, norm } from './vectors.ts'

/**
 * Karcher mean of the directions on the sphere, at the mean of the norms: the point whose summed squared geodesic distances are
 * smallest, by gradient steps in the tangent space (H. Karcher, "Riemannian center of mass and mollifier smoothing", CPAM 30, 1977). All models
 * weigh the same.
 */
export const karcher: MergeOperator = {
  name: 'karcher',
  title: 'Karcher mean',
  reference: { text: 'Karcher 1977, Riemannian center of mass', url: 'https://doi.org/10.1002/cpa.3160300502' },
  base: 'none',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'gram',
  span: 'tensor',
  parameters: [
    {
      kind: 'number',
      name: 'max_iter',
      description: 'Most steps.',
      default: 10,
      bounds: [0, 10_000],
      searchRange: [1, 20],
      integer: true,
    },
    {
      kind: 'number',
      name: 'tol',
      description: 'Norms and steps below this are zero.',
      default: 1e-5,
      bounds: [0, 1],
      searchRange: [1e-7, 1e-4],
    },
  ],
  coefficients: [],
  merge({ models, parameters }) {
    const [steps, tol] = [Number(parameters.max_iter), Number(parameters.tol)]
    const norms = models.map(norm)
    const directions = models.flatMap((x, m) => (norms[m]! > tol ? [x.map(value => value / norms[m]!)] : []))
    if (directions.length === 0) return new Float64Array(models[0]!.length)
    const share = 1 / directions.length
    const mean = combination(
      directions.map(() => share),
      directions,
    )
    const length = norm(mean)
    let u: Float64Array = length < tol ? directions[0]! : mean.map(value => value / length)
    for (let step = 0; step < steps; step++) {
      // T = Σ a θ/sin θ (û − cos θ u): the logarithms of the directions at u
      const T = new Float64Array(u.length)
      for (const direction of directions) {
        const cosine = Math.min(1, Math.max(-1, dot(u, direction)))
        const angle = Math.acos(cosine)
        if (angle < tol) continue
        const factor = (share * angle) / Math.sin(angle)
        for (let i = 0; i < T.length; i++) T[i]! += factor * (direction[i]! - cosine * u[i]!)
      }
      const t = norm(T)
      if (t < tol) break
      u = combination([Math.cos(t), Math.sin(t) / t], [u, T])
      const drift = norm(u)
      u = u.map(value => value / drift)
    }
    // Models without a direction count in the size: the mean of all norms.
    const size = norms.reduce((total, n) => total + n, 0) / models.length
    return u.map(value => size * value)
  },
}
