// WFG1-WFG9 with two or more objectives (S. Huband, P. Hingston, L. Barone, L. While, "A review of multiobjective test problems and a
// scalable test problem toolkit", IEEE TEC 10(5), 2006): k position variables, l distance variables, variable i in [0, 2 i].

const clip = v => (v < 0 && v >= -1e-10 ? 0 : v > 1 && v <= 1 + 1e-10 ? 1 : v)
const HALF_PI = Math.PI / 2

// Transformations, section VIII of the paper.
const shiftLinear = (y, a) => clip(Math.abs(y - a) / Math.abs(Math.floor(a - y) + a))
const biasPolynomial = (y, alpha) => clip(y ** alpha)

function biasFlat(y, a, b, c) {
  const below = (Math.min(0, Math.floor(y - b)) * (a * (b - y))) / b
  const above = (Math.min(0, Math.floor(c - y)) * ((1 - a) * (y - c))) / (1 - c)
  return clip(a + below - above)
}

function biasParameter(y, u, a = 0.98 / 49.98, b = 0.02, c = 50) {
  const v = a - (1 - 2 * u) * Math.abs(Math.floor(0.5 - u) + a)
  return clip(y ** (b + (c - b) * v))
}

function shiftDeceptive(y, a, b, c) {
  const left = (Math.floor(y - a + b) * (1 - c + (a - b) / b)) / (a - b)
  const right = (Math.floor(a + b - y) * (1 - c + (1 - a - b) / b)) / (1 - a - b)
  return clip(1 + (Math.abs(y - a) - b) * (left + right + 1 / b))
}

function shiftMultimodal(y, a, b, c) {
  const t = Math.abs(y - c) / (2 * (Math.floor(c - y) + c))
  return clip((1 + Math.cos((4 * a + 2) * Math.PI * (0.5 - t)) + 4 * b * t * t) / (b + 2))
}

const mean = y => clip(y.reduce((sum, v) => sum + v, 0) / y.length)

function weightedMean(y, firstWeight) {
  const weight = i => 2 * (firstWeight + i + 1)
  let [sum, total] = [0, 0]
  y.forEach((v, i) => {
    sum += weight(i) * v
    total += weight(i)
  })
  return clip(sum / total)
}

function nonSeparable(y, a) {
  let sum = 0
  for (let j = 0; j < y.length; j++) {
    sum += y[j]
    for (let k = 0; k < a - 1; k++) sum += Math.abs(y[j] - y[(1 + j + k) % y.length])
  }
  const half = Math.ceil(a / 2)
  return clip(sum / ((y.length * half * (1 + 2 * a - 2 * half)) / a))
}

/** Reduces k position and the other variables to m parameters, part by part. */
function reduce(y, m, k, position, distance = position) {
  const gap = k / (m - 1)
  const parts = Array.from({ length: m - 1 }, (_, i) => position(y.slice(i * gap, (i + 1) * gap), i * gap))
  return [...parts, distance(y.slice(k), k)]
}

// Shapes, section VII: objective i of m from parameters t.
function concave(t, i, m) {
  let value = i === 0 ? 1 : Math.cos(t[m - 1 - i] * HALF_PI)
  for (let j = 0; j < m - 1 - i; j++) value *= Math.sin(t[j] * HALF_PI)
  return clip(value)
}

function convex(t, i, m) {
  let value = i === 0 ? 1 : 1 - Math.sin(t[m - 1 - i] * HALF_PI)
  for (let j = 0; j < m - 1 - i; j++) value *= 1 - Math.cos(t[j] * HALF_PI)
  return clip(value)
}

function linear(t, i, m) {
  let value = i === 0 ? 1 : 1 - t[m - 1 - i]
  for (let j = 0; j < m - 1 - i; j++) value *= t[j]
  return clip(value)
}

const mixed = t => clip(1 - t[0] - Math.cos(10 * Math.PI * t[0] + HALF_PI) / (10 * Math.PI))
const disconnected = t => clip(1 - t[0] * Math.cos(5 * Math.PI * t[0]) ** 2)

const shiftDistance = (y, k) => y.map((v, i) => (i < k ? v : shiftLinear(v, 0.35)))
/** Pairs of distance variables, for WFG2 and WFG3. */
const pairs = (y, k) => [
  ...y.slice(0, k),
  ...Array.from({ length: (y.length - k) / 2 }, (_, i) => nonSeparable(y.slice(k + 2 * i, k + 2 * i + 2), 2)),
]
const onlyConcave = [concave, concave]

/** Per problem: unit variables → parameters in [0, 1], and the shapes of the first m - 1 objectives and of the last. */
const PROBLEMS = {
  wfg1: {
    reduced: (y, m, k) => {
      const biased = shiftDistance(y, k).map((v, i) => biasPolynomial(i < k ? v : biasFlat(v, 0.8, 0.75, 0.85), 0.02))
      return reduce(biased, m, k, weightedMean)
    },
    shapes: [convex, mixed],
  },
  wfg2: { reduced: (y, m, k) => reduce(pairs(shiftDistance(y, k), k), m, k, mean), shapes: [convex, disconnected] },
  wfg3: {
    reduced: (y, m, k) => reduce(pairs(shiftDistance(y, k), k), m, k, mean),
    shapes: [linear, linear],
    flat: true,
  },
  wfg4: {
    reduced: (y, m, k) =>
      reduce(
        y.map(v => shiftMultimodal(v, 30, 10, 0.35)),
        m,
        k,
        mean,
      ),
    shapes: onlyConcave,
  },
  wfg5: {
    reduced: (y, m, k) =>
      reduce(
        y.map(v => shiftDeceptive(v, 0.35, 0.001, 0.05)),
        m,
        k,
        mean,
      ),
    shapes: onlyConcave,
  },
  wfg6: {
    reduced: (y, m, k) => reduce(shiftDistance(y, k), m, k, part => nonSeparable(part, part.length)),
    shapes: onlyConcave,
  },
  wfg7: {
    reduced: (y, m, k) => {
      const biased = y.map((v, i) => (i < k ? biasParameter(v, mean(y.slice(i + 1))) : v))
      return reduce(shiftDistance(biased, k), m, k, mean)
    },
    shapes: onlyConcave,
  },
  wfg8: {
    reduced: (y, m, k) => {
      const biased = y.map((v, i) => (i < k ? v : biasParameter(v, mean(y.slice(0, i)))))
      return reduce(shiftDistance(biased, k), m, k, mean)
    },
    shapes: onlyConcave,
  },
  wfg9: {
    reduced: (y, m, k) => {
      const biased = y.map((v, i) => (i + 1 < y.length ? biasParameter(v, mean(y.slice(i + 1))) : v))
      const shifted = biased.map((v, i) =>
        i < k ? shiftDeceptive(v, 0.35, 0.001, 0.05) : shiftMultimodal(v, 30, 95, 0.35),
      )
      return reduce(shifted, m, k, part => nonSeparable(part, part.length))
    },
    shapes: onlyConcave,
  },
}

/**
 * @param {string} name wfg1 to wfg9
 * @param {{ m: number, k: number, l: number }} sizes k a multiple of m - 1; l even
 * @returns {(x: Float64Array) => number[]}
 */
export function wfg(name, { m, k, l }) {
  const { reduced, shapes, flat } = PROBLEMS[name]
  return x => {
    const y = Array.from(x, (v, i) => v / (2 * (i + 1)))
    if (y.length !== k + l) throw new RangeError(`Expected ${k + l} variables, got ${y.length}.`)
    const t = reduced(y, m, k)
    const distance = t[m - 1]
    const degenerate = i => (flat && i > 0 ? 0 : 1)
    const position = t.slice(0, m - 1).map((v, i) => Math.max(distance, degenerate(i)) * (v - 0.5) + 0.5)
    return Array.from({ length: m }, (_, i) => distance + 2 * (i + 1) * shapes[i + 1 < m ? 0 : 1](position, i, m))
  }
}
