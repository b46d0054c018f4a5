import type { Gram, MergeOperator } from './operator.ts'
import { normIn } from './spherical.ts'
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
  candidate: {
    kind: 'gram',
    of: () => 'models',
    along: () => 'tensor',
    coefficients: (gram, { parameters }) => meanIn(gram, Number(parameters.max_iter), Number(parameters.tol)),
  },
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

/** The same steps on the coefficients of the directions, from the vectors' inner products. */
function meanIn(gram: Gram, steps: number, tol: number): number[] {
  const norms = Array.from({ length: gram.size }, (_, m) => Math.sqrt(gram.at(m, m)))
  const valid = norms.flatMap((size, m) => (size > tol ? [m] : []))
  if (valid.length === 0) return norms.map(() => 0)
  const cosines: Gram = {
    size: valid.length,
    at: (i, j) => gram.at(valid[i]!, valid[j]!) / (norms[valid[i]!]! * norms[valid[j]!]!),
  }
  const share = 1 / valid.length
  const length = normIn(
    cosines,
    valid.map(() => share),
  )
  let c = valid.map((_, i) => (length < tol ? Number(i === 0) : share / length))
  for (let step = 0; step < steps; step++) {
    let along = 0 // of u, which T has too much
    const T = valid.map((_, i) => {
      const product = c.reduce((sum, value, j) => sum + value * cosines.at(i, j), 0)
      const cosine = Math.min(1, Math.max(-1, product))
      const angle = Math.acos(cosine)
      if (angle < tol) return 0
      const factor = (share * angle) / Math.sin(angle)
      along += factor * cosine
      return factor
    })
    const tangent = T.map((value, i) => value - along * c[i]!)
    const t = normIn(cosines, tangent)
    if (t < tol) break
    const moved = c.map((value, i) => Math.cos(t) * value + (Math.sin(t) / t) * tangent[i]!)
    const drift = normIn(cosines, moved)
    c = moved.map(value => value / drift)
  }
  const size = norms.reduce((total, n) => total + n, 0) / norms.length
  const out = norms.map(() => 0)
  for (const [i, m] of valid.entries()) out[m] = (size * c[i]!) / norms[m]!
  return out
}
