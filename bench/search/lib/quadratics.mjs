// The six functions of the CMA-ES proof; bench/peers/quadratics.py is the same in Python.
import { rotation } from './uniforms.mjs'

const ROTATION_SEED = 7

export const QUADRATICS = ['sphere', 'ellipsoid', 'cigar', 'discus', 'diffpow', 'rosenbrock']

/**
 * @param {string} name
 * @param {number} d
 * @returns {(x: Float64Array) => number} condition 1e6 and one rotation for all but the sphere and Rosenbrock
 */
export function quadratic(name, d) {
  const R = rotation(ROTATION_SEED, d)
  const y = new Float64Array(d)
  const rotate = x => {
    for (let i = 0; i < d; i++) {
      let sum = 0
      for (let j = 0; j < d; j++) sum += R[i * d + j] * x[j]
      y[i] = sum
    }
    return y
  }
  const exponent = Float64Array.from({ length: d }, (_, i) => i / Math.max(d - 1, 1))
  const weighted = weight => x => rotate(x).reduce((sum, v, i) => sum + weight[i] * v * v, 0)
  if (name === 'sphere') return x => x.reduce((sum, v) => sum + v * v, 0)
  if (name === 'ellipsoid') return weighted(exponent.map(e => 1e6 ** e))
  if (name === 'cigar') return weighted(exponent.map((_, i) => (i === 0 ? 1 : 1e6)))
  if (name === 'discus') return weighted(exponent.map((_, i) => (i === 0 ? 1e6 : 1)))
  if (name === 'diffpow') {
    return x => Math.sqrt(rotate(x).reduce((sum, v, i) => sum + Math.abs(v) ** (2 + 4 * exponent[i]), 0))
  }
  if (name === 'rosenbrock') return rosenbrock
  throw new RangeError(`Expected one of ${QUADRATICS.join(', ')}, got ${name}.`)
}

export function rosenbrock(x) {
  let sum = 0
  for (let i = 0; i + 1 < x.length; i++) sum += 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
  return sum
}
