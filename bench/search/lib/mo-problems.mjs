// ZDT, DTLZ and WFG with their reference points and the hypervolume of their fronts; sizes as in bench/peers/run_mo.py.
import { wfg } from './wfg.mjs'

/** @typedef {{ m: number, low: number[], high: number[], reference: number[], losses: (x: Float64Array) => number[] }} MultiProblem */

const sum = (x, from) => {
  let total = 0
  for (let i = from; i < x.length; i++) total += x[i]
  return total
}

// E. Zitzler, K. Deb, L. Thiele, "Comparison of multiobjective evolutionary algorithms: empirical results", EC 8(2), 2000.
const ZDT = {
  zdt1: x => {
    const g = 1 + (9 * sum(x, 1)) / (x.length - 1)
    return [x[0], g * (1 - Math.sqrt(x[0] / g))]
  },
  zdt2: x => {
    const g = 1 + (9 * sum(x, 1)) / (x.length - 1)
    return [x[0], g * (1 - (x[0] / g) ** 2)]
  },
  zdt3: x => {
    const g = 1 + (9 * sum(x, 1)) / (x.length - 1)
    const t = x[0] / g
    return [x[0], g * (1 - Math.sqrt(t) - t * Math.sin(10 * Math.PI * x[0]))]
  },
  zdt4: x => {
    let g = 1 + 10 * (x.length - 1)
    for (let i = 1; i < x.length; i++) g += x[i] ** 2 - 10 * Math.cos(4 * Math.PI * x[i])
    return [x[0], g * (1 - Math.sqrt(x[0] / g))]
  },
  zdt6: x => {
    const f = 1 - Math.exp(-4 * x[0]) * Math.sin(6 * Math.PI * x[0]) ** 6
    const g = 1 + 9 * (sum(x, 1) / (x.length - 1)) ** 0.25
    return [f, g * (1 - (f / g) ** 2)]
  },
}

// K. Deb, L. Thiele, M. Laumanns, E. Zitzler, "Scalable test problems for evolutionary multiobjective optimization", 2005.
const rugged = (x, m) => {
  let g = x.length - m + 1
  for (let i = m - 1; i < x.length; i++) g += (x[i] - 0.5) ** 2 - Math.cos(20 * Math.PI * (x[i] - 0.5))
  return 100 * g
}
const smooth = (x, m) => x.slice(m - 1).reduce((total, v) => total + (v - 0.5) ** 2, 0)

/** Points of a sphere of radius 1 + g at m - 1 angles in quarter turns. */
function sphere(angles, g) {
  const m = angles.length + 1
  return Array.from({ length: m }, (_, i) => {
    let value = 1 + g
    for (let j = 0; j < m - 1 - i; j++) value *= Math.cos((angles[j] * Math.PI) / 2)
    return i === 0 ? value : value * Math.sin((angles[m - 1 - i] * Math.PI) / 2)
  })
}

/** DTLZ5 and DTLZ6: all angles but the first are drawn to the middle as g vanishes, and the front is a curve. */
const curve = (x, m, g) =>
  sphere(
    Array.from(x.slice(0, m - 1), (v, i) => (i === 0 ? v : (1 + 2 * g * v) / (2 * (1 + g)))),
    g,
  )

const DTLZ = {
  dtlz1: (x, m) => {
    const g = rugged(x, m)
    return Array.from({ length: m }, (_, i) => {
      let value = 0.5 * (1 + g)
      for (let j = 0; j < m - 1 - i; j++) value *= x[j]
      return i === 0 ? value : value * (1 - x[m - 1 - i])
    })
  },
  dtlz2: (x, m) => sphere(x.slice(0, m - 1), smooth(x, m)),
  dtlz3: (x, m) => sphere(x.slice(0, m - 1), rugged(x, m)),
  dtlz4: (x, m) =>
    sphere(
      x.slice(0, m - 1).map(v => v ** 100),
      smooth(x, m),
    ),
  dtlz5: (x, m) => curve(x, m, smooth(x, m)),
  dtlz6: (x, m) =>
    curve(
      x,
      m,
      x.slice(m - 1).reduce((total, v) => total + v ** 0.1, 0),
    ),
  dtlz7: (x, m) => {
    const g = 1 + (9 / (x.length - m + 1)) * sum(x, m - 1)
    const f = Array.from(x.slice(0, m - 1))
    const h = f.reduce((rest, v) => rest - (v / (1 + g)) * (1 + Math.sin(3 * Math.PI * v)), m)
    return [...f, (1 + g) * h]
  },
}

function zdtProblem(name) {
  const d = name === 'zdt4' || name === 'zdt6' ? 10 : 30
  const wide = name === 'zdt4' ? 5 : undefined
  return {
    m: 2,
    low: Array.from({ length: d }, (_, i) => (wide && i > 0 ? -wide : 0)),
    high: Array.from({ length: d }, (_, i) => (wide && i > 0 ? wide : 1)),
    reference: [1.1, 1.1],
    losses: ZDT[name],
  }
}

function dtlzProblem(name) {
  const d = { dtlz1: 7, dtlz7: 22 }[name] ?? 12
  const reference = { dtlz1: [0.55, 0.55, 0.55], dtlz7: [1.1, 1.1, 6.6] }[name] ?? [1.1, 1.1, 1.1]
  return { m: 3, low: Array(d).fill(0), high: Array(d).fill(1), reference, losses: x => DTLZ[name](x, 3) }
}

function wfgProblem(name) {
  const d = 24
  return {
    m: 2,
    low: Array(d).fill(0),
    high: Array.from({ length: d }, (_, i) => 2 * (i + 1)),
    reference: [3, 5],
    losses: wfg(name, { m: 2, k: 4, l: 20 }),
  }
}

/** @type {Record<string, MultiProblem>} */
export const MO_PROBLEMS = Object.fromEntries([
  ...Object.keys(ZDT).map(name => [name, zdtProblem(name)]),
  ...Object.keys(DTLZ).map(name => [name, dtlzProblem(name)]),
  ...Array.from({ length: 9 }, (_, i) => [`wfg${i + 1}`, wfgProblem(`wfg${i + 1}`)]),
])
