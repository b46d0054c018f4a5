// The ten problems of the Bayesian-optimisation proof; bench/peers/bo_problems.py is the same in Python.
import { rosenbrock } from './quadratics.mjs'
import { uniforms } from './uniforms.mjs'

/** @typedef {{ low: number[], high: number[], loss: (x: Float64Array) => number, minimum: number }} Problem */

function branin([x1, x2]) {
  const inner = x2 - (5.1 / (4 * Math.PI ** 2)) * x1 ** 2 + (5 / Math.PI) * x1 - 6
  return inner ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x1) + 10
}

const HARTMANN6_A = [
  [10, 3, 17, 3.5, 1.7, 8],
  [0.05, 10, 17, 0.1, 8, 14],
  [3, 3.5, 1.7, 10, 17, 8],
  [17, 8, 0.05, 10, 0.1, 14],
]
const HARTMANN6_P = [
  [1312, 1696, 5569, 124, 8283, 5886],
  [2329, 4135, 8307, 3736, 1004, 9991],
  [2348, 1451, 3522, 2883, 3047, 6650],
  [4047, 8828, 8732, 5743, 1091, 381],
]
const HARTMANN6_C = [1, 1.2, 3, 3.2]

function hartmann6(x) {
  return -HARTMANN6_C.reduce((sum, c, k) => {
    const distance = HARTMANN6_A[k].reduce((s, a, i) => s + a * (x[i] - 1e-4 * HARTMANN6_P[k][i]) ** 2, 0)
    return sum + c * Math.exp(-distance)
  }, 0)
}

function ackley(x) {
  const d = x.length
  const squares = x.reduce((sum, v) => sum + v * v, 0)
  const cosines = x.reduce((sum, v) => sum + Math.cos(2 * Math.PI * v), 0)
  return -20 * Math.exp(-0.2 * Math.sqrt(squares / d)) - Math.exp(cosines / d) + 20 + Math.E
}

function levy(x) {
  const w = Float64Array.from(x, v => 1 + (v - 1) / 4)
  const last = w[w.length - 1]
  let sum = Math.sin(Math.PI * w[0]) ** 2 + (last - 1) ** 2 * (1 + Math.sin(2 * Math.PI * last) ** 2)
  for (let i = 0; i + 1 < w.length; i++) sum += (w[i] - 1) ** 2 * (1 + 10 * Math.sin(Math.PI * w[i] + 1) ** 2)
  return sum
}

function michalewicz(x) {
  return -x.reduce((sum, v, i) => sum + Math.sin(v) * Math.sin(((i + 1) * v * v) / Math.PI) ** 20, 0)
}

function styblinskiTang(x) {
  return 0.5 * x.reduce((sum, v) => sum + v ** 4 - 16 * v * v + 5 * v, 0)
}

const BRANIN_MINIMUM = 0.39788735772973816
const HARTMANN6_MINIMUM = -3.322368011415515

const box = (d, low, high) => ({ low: Array(d).fill(low), high: Array(d).fill(high) })
const BRANIN_BOX = { low: [-5, 0], high: [10, 15] }

/** Ackley's optimum lies in the middle of its usual box, where several methods start: per seed it is moved, by up to a quarter of the range. */
function shiftedAckley(d, seed) {
  const shift = uniforms(d, 5000 + seed).map(u => 32.768 * (u - 0.5))
  return { ...box(d, -32.768, 32.768), loss: x => ackley(x.map((v, i) => v - shift[i])), minimum: 0 }
}

/** The genes that matter among 100 in [0, 1]: the middle of each of k equal stretches. */
function embedded(loss, { low, high }, minimum) {
  const active = low.map((_, i) => Math.floor(((i + 0.5) * 100) / low.length))
  const point = x => Float64Array.from(active, (gene, i) => low[i] + (high[i] - low[i]) * x[gene])
  return { ...box(100, 0, 1), loss: x => loss(point(x)), minimum }
}

/** @type {Record<string, (seed: number) => Problem>} */
export const BO_PROBLEMS = {
  branin: () => ({ ...BRANIN_BOX, loss: branin, minimum: BRANIN_MINIMUM }),
  hartmann6: () => ({ ...box(6, 0, 1), loss: hartmann6, minimum: HARTMANN6_MINIMUM }),
  ackley5: seed => shiftedAckley(5, seed),
  ackley10: seed => shiftedAckley(10, seed),
  levy10: () => ({ ...box(10, -10, 10), loss: levy, minimum: 0 }),
  rosenbrock5: () => ({ ...box(5, -5, 10), loss: rosenbrock, minimum: 0 }),
  michalewicz5: () => ({ ...box(5, 0, Math.PI), loss: michalewicz, minimum: -4.687658179088148 }),
  'styblinski-tang8': () => ({ ...box(8, -5, 5), loss: styblinskiTang, minimum: 8 * -39.16616570377142 }),
  'branin-in-100': () => embedded(branin, BRANIN_BOX, BRANIN_MINIMUM),
  'hartmann6-in-100': () => embedded(hartmann6, box(6, 0, 1), HARTMANN6_MINIMUM),
}
