// MERGE³'s estimators mp-IRT and gmp-IRT, re-implemented from the published formulas.
//
// Parents' skills by maximum likelihood on all items; a child's skills are their weighted sum, θ = Σ λ_k θ_k, with λ by maximum likelihood on
// its answers, from equal weights; mp-IRT = (|S|/N) Σ w y + (1 − |S|/N) · mean of P(right | θ) over the items not in S, and gmp-IRT the mean of
// Σ w y and mp-IRT. S are random items with equal weights, or anchors: the items nearest the centres of k-means on the item parameters,
// weighted by the share of items in their cluster.
import { solveLinear } from '../../dist/numerics/linear-solve.js'

/** Keeps answers that are all right from asking for an infinite skill; too weak to be seen otherwise. */
const RIDGE = 1e-3
const STEPS = 100
const sigmoid = x => 1 / (1 + Math.exp(-x))

/**
 * Logistic regression by Newton's method with halved steps: maximises Σ y ln p + (1 − y) ln (1 − p) − RIDGE/2 |x − start|², p = σ(z · x + offset).
 * @param z rows, each of shape (n,)
 */
function logistic(z, offsets, answers, start) {
  const n = start.length
  const value = x => {
    let sum = 0
    for (let r = 0; r < z.length; r++) {
      const logit = dot(z[r], x) + offsets[r]
      sum += answers[r] * logit - (logit > 0 ? logit + Math.log1p(Math.exp(-logit)) : Math.log1p(Math.exp(logit)))
    }
    for (let k = 0; k < n; k++) sum -= (RIDGE / 2) * (x[k] - start[k]) ** 2
    return sum
  }
  let x = Float64Array.from(start)
  let best = value(x)
  for (let step = 0; step < STEPS; step++) {
    const gradient = x.map((v, k) => RIDGE * (start[k] - v))
    const hessian = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? RIDGE : 0))
    for (let r = 0; r < z.length; r++) {
      const p = sigmoid(dot(z[r], x) + offsets[r])
      for (let k = 0; k < n; k++) {
        gradient[k] += (answers[r] - p) * z[r][k]
        for (let l = 0; l < n; l++) hessian[k * n + l] += p * (1 - p) * z[r][k] * z[r][l]
      }
    }
    const move = solveLinear(hessian, gradient)
    let size = 1
    let next = x
    for (; size > 1e-6; size /= 2) {
      const tried = x.map((v, k) => v + size * move[k])
      const reached = value(tried)
      if (reached <= best) continue
      ;[next, best] = [tried, reached]
      break
    }
    if (next === x) return x
    const moved = Math.hypot(...next.map((v, k) => v - x[k]))
    x = next
    if (moved < 1e-9) return x
  }
  return x
}

/** Item parameters: a_j and d_j, K + 1 numbers each. */
export function itemsOf(parameters, K) {
  const N = parameters.length / (K + 1)
  return {
    loadings: Array.from({ length: N }, (_, j) => parameters.subarray(j * (K + 1), j * (K + 1) + K)),
    offsets: Float64Array.from({ length: N }, (_, j) => parameters[j * (K + 1) + K]),
  }
}

/** A model's skills from its answers to all items. */
export const skillsOf = ({ loadings, offsets }, answers) =>
  logistic(loadings, offsets, answers, new Float64Array(loadings[0].length))

/**
 * @param items of {@link itemsOf}
 * @param parents their skills
 * @param examples S. @param weights of S, sum 1. @param answers to S
 */
export function gmpIrt({ loadings, offsets }, parents, examples, weights, answers) {
  const N = loadings.length
  const z = examples.map(j => Float64Array.from(parents, theta => dot(loadings[j], theta)))
  const start = new Float64Array(parents.length).fill(1 / parents.length)
  const lambda = logistic(
    z,
    Float64Array.from(examples, j => offsets[j]),
    answers,
    start,
  )
  const theta = loadings[0].map((_, k) => parents.reduce((sum, skills, i) => sum + lambda[i] * skills[k], 0))
  const seen = new Set(examples)
  let expected = 0
  for (let j = 0; j < N; j++) if (!seen.has(j)) expected += sigmoid(dot(loadings[j], theta) + offsets[j])
  const own = examples.reduce((sum, _, n) => sum + weights[n] * answers[n], 0)
  const share = examples.length / N
  const mp = share * own + (1 - share) * (expected / (N - examples.length))
  return 0.5 * own + 0.5 * mp
}

/** k-means (k-means++ starts, Lloyd's steps) on the item parameters. @returns {{ examples: number[], weights: number[] }} */
export function anchors({ loadings, offsets }, count, rng) {
  const points = loadings.map((a, j) => [...a, offsets[j]])
  const away = (p, q) => p.reduce((sum, x, k) => sum + (x - q[k]) ** 2, 0)
  const centres = [points[rng.integer(0, points.length)]]
  const least = points.map(p => away(p, centres[0]))
  while (centres.length < count) {
    let left = rng.uniform() * least.reduce((sum, d) => sum + d, 0)
    let next = least.findLastIndex(d => d > 0)
    for (let j = 0; j < points.length; j++) {
      left -= least[j]
      if (left < 0) {
        next = j
        break
      }
    }
    centres.push(points[next])
    points.forEach((p, j) => {
      least[j] = Math.min(least[j], away(p, points[next]))
    })
  }
  let owner = []
  for (let step = 0; step < 50; step++) {
    const now = points.map(p => nearest(centres.map(c => away(p, c))))
    if (now.every((c, j) => c === owner[j])) break
    owner = now
    for (let c = 0; c < count; c++) {
      const members = points.filter((_, j) => owner[j] === c)
      if (members.length > 0)
        centres[c] = centres[c].map((_, k) => members.reduce((sum, p) => sum + p[k], 0) / members.length)
    }
  }
  const taken = new Set()
  const examples = centres.map(c => {
    const j = nearest(points.map((p, i) => (taken.has(i) ? Number.POSITIVE_INFINITY : away(p, c))))
    taken.add(j)
    return j
  })
  return { examples, weights: centres.map((_, c) => owner.filter(o => o === c).length / points.length) }
}

function nearest(distances) {
  let best = 0
  for (let i = 1; i < distances.length; i++) if (distances[i] < distances[best]) best = i
  return best
}

function dot(a, b) {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k]
  return sum
}
