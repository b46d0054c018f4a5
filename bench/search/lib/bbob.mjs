// The 24 noiseless BBOB functions with their instances, as defined in N. Hansen, S. Finck, R. Ros, A. Auger, "Real-parameter black-box
// optimization benchmarking 2009: noiseless functions definitions" (INRIA RR-6829); instances agree with `cma.bbobbenchmarks`.
import { normals, rotation, uniforms } from './uniforms.mjs'

/** The classes of the test bed: separable, moderate, ill-conditioned, multi-modal, weakly structured. */
export const GROUPS = {
  separable: [1, 2, 3, 4, 5],
  moderate: [6, 7, 8, 9],
  'ill-conditioned': [10, 11, 12, 13, 14],
  'multi-modal': [15, 16, 17, 18, 19],
  'weakly structured': [20, 21, 22, 23, 24],
}

/** Functions 4, 18 draw their instances with the seed of the function they vary. */
const SEED_OF = { 4: 3, 18: 17 }

/**
 * @param {number} f 1 to 24
 * @param {number} instance
 * @param {number} d at least 2
 * @returns {{ loss: (x: Float64Array) => number, minimum: number }} `loss` includes the least value, `minimum`
 */
export function bbob(f, instance, d) {
  const seed = (SEED_OF[f] ?? f) + 1e4 * instance
  const shift = Math.round((100 * 100 * normals(1, seed)[0]) / normals(1, seed + 1)[0]) / 100
  const minimum = Math.min(1000, Math.max(-1000, shift))
  const core = FUNCTIONS[f - 1](seed, d)
  return { loss: x => core(x) + minimum, minimum }
}

const PI2 = 2 * Math.PI

const ramp = d => Float64Array.from({ length: d }, (_, i) => i / (d - 1))
const scales = (condition, d) => ramp(d).map(t => Math.sqrt(condition) ** t)

function optimum(seed, d) {
  return uniforms(d, seed).map(u => (8 * Math.floor(1e4 * u)) / 1e4 - 4 || -1e-5)
}

/** x ↦ x M for a row vector x; the result is valid until the next call. */
function times(M, d) {
  const y = new Float64Array(d)
  return x => {
    y.fill(0)
    for (let i = 0; i < d; i++) {
      const xi = x[i]
      for (let j = 0; j < d; j++) y[j] += xi * M[i * d + j]
    }
    return y
  }
}

/** M diag(s). */
const scaledColumns = (M, s, d) => M.map((v, i) => v * s[i % d])

function product(A, B, d) {
  const C = new Float64Array(d * d)
  for (let i = 0; i < d; i++) {
    for (let k = 0; k < d; k++) {
      for (let j = 0; j < d; j++) C[i * d + j] += A[i * d + k] * B[k * d + j]
    }
  }
  return C
}

/** Two rotations around a scaling: R(seed) diag(s) R(seed + 1e6). */
function conditioned(seed, s, d) {
  return product(scaledColumns(rotation(seed, d), s, d), rotation(seed + 1e6, d), d)
}

/** T_osz of one number. */
function oscillate(v) {
  if (v > 0) {
    const t = Math.log(v) / 0.1
    return Math.exp(t + 0.49 * (Math.sin(t) + Math.sin(0.79 * t))) ** 0.1
  }
  if (v < 0) {
    const t = Math.log(-v) / 0.1
    return -(Math.exp(t + 0.49 * (Math.sin(0.55 * t) + Math.sin(0.31 * t))) ** 0.1)
  }
  return v
}

/** T_asy with β, on the spot. */
function skew(x, beta) {
  const d = x.length
  for (let i = 0; i < d; i++) if (x[i] > 0) x[i] **= 1 + ((beta * i) / (d - 1)) * Math.sqrt(x[i])
  return x
}

const minus = (x, o) => x.map((v, i) => v - o[i])
const squares = x => x.reduce((sum, v) => sum + v * v, 0)
const weightedSquares = (x, w) => x.reduce((sum, v, i) => sum + w[i] * v * v, 0)
const cosines = x => x.reduce((sum, v) => sum + Math.cos(PI2 * v), 0)
const rastrigin = x => 10 * (x.length - cosines(x)) + squares(x)
const outside = x => x.reduce((sum, v) => sum + Math.max(0, Math.abs(v) - 5) ** 2, 0)

function rosenbrock(z) {
  let sum = 0
  for (let i = 0; i + 1 < z.length; i++) sum += 100 * (z[i] ** 2 - z[i + 1]) ** 2 + (z[i] - 1) ** 2
  return sum
}

function schaffers(seed, d, condition) {
  const o = optimum(seed, d)
  const first = times(rotation(seed + 1e6, d), d)
  const second = times(scaledColumns(rotation(seed, d), scales(condition, d), d), d)
  return x => {
    const z = second(skew(first(minus(x, o)), 0.5))
    let sum = 0
    for (let i = 0; i + 1 < d; i++) {
      const s = z[i] ** 2 + z[i + 1] ** 2
      sum += s ** 0.25 * (Math.sin(50 * s ** 0.1) ** 2 + 1)
    }
    return (sum / (d - 1)) ** 2 + 10 * outside(x)
  }
}

function gallagher(seed, d, { peaks, spread, condition }) {
  const R = rotation(seed, d)
  const rotate = times(R, d)
  const order = values => Array.from(values.keys()).sort((a, b) => values[a] - values[b])
  const shuffled = order(uniforms(peaks - 1, seed)).map(i => 1000 ** (i / (peaks - 2)))
  const scale = [condition, ...shuffled].map((c, k) =>
    Float64Array.from(order(uniforms(d, seed + 1e3 * k)), i => c ** (i / (d - 1) - 0.5)),
  )
  const height = [10, ...Array.from({ length: peaks - 1 }, (_, i) => 1.1 + (8 * i) / (peaks - 2))]
  const u = uniforms(d * peaks, seed)
  const centre = Array.from({ length: peaks }, (_, k) => {
    const shrink = k === 0 ? 0.8 : 1
    return rotate(u.slice(k * d, (k + 1) * d).map(v => spread * (10 * v - 5))).map(v => shrink * v)
  })
  return x => {
    const z = rotate(x)
    let best = 0
    for (let k = 0; k < peaks; k++) {
      const [c, s] = [centre[k], scale[k]]
      let sum = 0
      for (let i = 0; i < d; i++) sum += s[i] * (z[i] - c[i]) ** 2
      best = Math.max(best, height[k] * Math.exp((-0.5 / d) * sum))
    }
    return oscillate(10 - best) ** 2 + outside(x)
  }
}

/** (seed, d) → loss without the least value, by number from 1. */
const FUNCTIONS = [
  function sphere(seed, d) {
    const o = optimum(seed, d)
    return x => squares(minus(x, o))
  },
  function separableEllipsoid(seed, d) {
    const o = optimum(seed, d)
    const w = ramp(d).map(t => 1e6 ** t)
    return x => weightedSquares(minus(x, o).map(oscillate), w)
  },
  function separableRastrigin(seed, d) {
    const o = optimum(seed, d)
    const s = scales(10, d)
    return x => rastrigin(skew(minus(x, o).map(oscillate), 0.2).map((v, i) => s[i] * v))
  },
  function bucheRastrigin(seed, d) {
    const o = optimum(seed, d).map((v, i) => (i % 2 === 0 ? Math.abs(v) : v))
    const s = scales(10, d)
    return x => {
      const z = minus(x, o)
        .map(oscillate)
        .map((v, i) => s[i] * (i % 2 === 0 && v > 0 ? 10 * v : v))
      return rastrigin(z) + 100 * outside(x)
    }
  },
  function linearSlope(seed, d) {
    const o = optimum(seed, d).map(v => 5 * Math.sign(v))
    const s = ramp(d).map((t, i) => -Math.sign(o[i]) * 10 ** t)
    const offset = 5 * s.reduce((sum, v) => sum + Math.abs(v), 0)
    return x => x.reduce((sum, v, i) => sum + s[i] * (v * o[i] > 25 ? Math.sign(v) * 5 : v), offset)
  },
  function attractiveSector(seed, d) {
    const o = optimum(seed, d)
    const transform = times(conditioned(seed, scales(10, d), d), d)
    return x => {
      const z = transform(minus(x, o)).map((v, i) => (v * o[i] > 0 ? 100 * v : v))
      return oscillate(squares(z)) ** 0.9
    }
  },
  function stepEllipsoid(seed, d) {
    const o = optimum(seed, d)
    const first = times(scaledColumns(rotation(seed, d), scales(10, d), d), d)
    const second = times(rotation(seed + 1e6, d), d)
    const w = ramp(d).map(t => 100 ** t)
    return x => {
      const z = first(minus(x, o))
      const steps = z.map(v => (Math.abs(v) > 0.5 ? Math.round(v) : Math.round(10 * v) / 10))
      return 0.1 * Math.max(1e-4 * Math.abs(z[0]), weightedSquares(second(steps), w)) + outside(x)
    }
  },
  function originalRosenbrock(seed, d) {
    const o = optimum(seed, d).map(v => 0.75 * v)
    const s = Math.max(1, Math.sqrt(d) / 8)
    return x => rosenbrock(x.map((v, i) => s * (v - o[i]) + 1))
  },
  function rotatedRosenbrock(seed, d) {
    const s = Math.max(1, Math.sqrt(d) / 8)
    const transform = times(
      rotation(seed, d).map(v => s * v),
      d,
    )
    return x => rosenbrock(transform(x).map(v => v + 0.5))
  },
  function ellipsoid(seed, d) {
    const o = optimum(seed, d)
    const rotate = times(rotation(seed + 1e6, d), d)
    const w = ramp(d).map(t => 1e6 ** t)
    return x => weightedSquares(rotate(minus(x, o)).map(oscillate), w)
  },
  function discus(seed, d) {
    const o = optimum(seed, d)
    const rotate = times(rotation(seed + 1e6, d), d)
    return x => {
      const z = rotate(minus(x, o)).map(oscillate)
      return squares(z) + (1e6 - 1) * z[0] ** 2
    }
  },
  function bentCigar(seed, d) {
    const o = optimum(seed + 1e6, d)
    const R = rotation(seed + 1e6, d)
    const [first, second] = [times(R, d), times(R, d)]
    return x => {
      const z = second(skew(first(minus(x, o)), 0.5))
      return 1e6 * squares(z) + (1 - 1e6) * z[0] ** 2
    }
  },
  function sharpRidge(seed, d) {
    const o = optimum(seed, d)
    const transform = times(conditioned(seed, scales(10, d), d), d)
    return x => {
      const z = transform(minus(x, o))
      return z[0] ** 2 + 100 * Math.sqrt(z.reduce((sum, v, i) => (i === 0 ? 0 : sum + v * v), 0))
    }
  },
  function differentPowers(seed, d) {
    const o = optimum(seed, d)
    const rotate = times(rotation(seed + 1e6, d), d)
    return x => Math.sqrt(rotate(minus(x, o)).reduce((sum, v, i) => sum + Math.abs(v) ** (2 + (4 * i) / (d - 1)), 0))
  },
  function rotatedRastrigin(seed, d) {
    const o = optimum(seed, d)
    const rotate = times(rotation(seed + 1e6, d), d)
    const transform = times(conditioned(seed, scales(10, d), d), d)
    return x => rastrigin(transform(skew(rotate(minus(x, o)).map(oscillate), 0.2)))
  },
  function weierstrass(seed, d) {
    const o = optimum(seed, d)
    const rotate = times(rotation(seed + 1e6, d), d)
    const transform = times(
      conditioned(
        seed,
        ramp(d).map(t => 0.1 ** t),
        d,
      ),
      d,
    )
    const terms = Array.from({ length: 12 }, (_, k) => [0.5 ** k, 3 ** k])
    const atOptimum = terms.reduce((sum, [a, b]) => sum + a * Math.cos(PI2 * b * 0.5), 0)
    return x => {
      const z = transform(rotate(minus(x, o)).map(oscillate))
      let sum = 0
      for (const v of z) for (const [a, b] of terms) sum += a * Math.cos(b * (PI2 * (v + 0.5)))
      return 10 * (sum / d - atOptimum) ** 3 + (10 / d) * outside(x)
    }
  },
  (seed, d) => schaffers(seed, d, 10),
  (seed, d) => schaffers(seed, d, 1000),
  function griewankRosenbrock(seed, d) {
    const s = Math.max(1, Math.sqrt(d) / 8)
    const transform = times(
      rotation(seed, d).map(v => s * v),
      d,
    )
    return x => {
      const z = transform(x)
      let sum = 0
      for (let i = 0; i + 1 < d; i++) {
        const [a, b] = [z[i] + 0.5, z[i + 1] + 0.5]
        const t = 100 * (a * a - b) ** 2 + (1 - a) ** 2
        sum += t / 4000 - Math.cos(t)
      }
      return 10 + (10 * sum) / (d - 1)
    }
  },
  function schwefel(seed, d) {
    const sign = uniforms(d, seed).map(u => Math.sign(u - 0.5))
    const o = 4.2096874633
    const s = scales(10, d)
    return x => {
      const y = x.map((v, i) => 2 * sign[i] * v)
      const z = y.map((v, i) => 100 * (s[i] * (v + (i === 0 ? 0 : 0.25 * (y[i - 1] - o)) - o) + o))
      const beyond = z.reduce((sum, v) => sum + Math.max(0, Math.abs(v) - 500) ** 2, 0)
      const mean = z.reduce((sum, v) => sum + v * Math.sin(Math.sqrt(Math.abs(v))), 0) / d
      return 0.01 * (418.9828872724339 - mean) + 0.01 * beyond
    }
  },
  (seed, d) => gallagher(seed, d, { peaks: 101, spread: 1, condition: Math.sqrt(1000) }),
  (seed, d) => gallagher(seed, d, { peaks: 21, spread: 0.98, condition: 1000 }),
  function katsuura(seed, d) {
    const o = optimum(seed, d)
    const transform = times(conditioned(seed, scales(100, d), d), d)
    return x => {
      const z = transform(minus(x, o))
      let value = 1
      for (let i = 0; i < d; i++) {
        let sum = 0
        for (let k = 1; k <= 32; k++) {
          const t = z[i] * 2 ** k
          sum += Math.abs(t - Math.round(t)) / 2 ** k
        }
        value *= 1 + (i + 1) * sum
      }
      return (10 / d ** 2) * (value ** (10 / d ** 1.2) - 1) + outside(x)
    }
  },
  function lunacek(seed, d) {
    const sign = normals(d, seed).map(Math.sign)
    const transform = times(conditioned(seed, scales(100, d), d), d)
    const mu = 2.5
    const s = 1 - 0.5 / (Math.sqrt(d + 20) - 4.1)
    const other = -Math.sqrt((mu * mu - 1) / s)
    return x => {
      const y = x.map((v, i) => 2 * sign[i] * v)
      const near = y.reduce((sum, v) => sum + (v - mu) ** 2, 0)
      const far = d + s * y.reduce((sum, v) => sum + (v - other) ** 2, 0)
      const waves = 10 * (d - cosines(transform(y.map(v => v - mu))))
      return Math.min(near, far) + waves + 1e4 * outside(x)
    }
  },
]
