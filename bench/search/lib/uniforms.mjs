// Numbers that are the same here and in the Python peers: the generator of the BBOB functions (N. Hansen, S. Finck, R. Ros, A. Auger,
// "Real-parameter black-box optimization benchmarking 2009: noiseless functions definitions", RR-6829), a Lehmer generator with a shuffle table.

const MODULUS = 2147483647

/**
 * @param {number} n
 * @param {number} seed
 * @returns {Float64Array} n numbers in (0, 1)
 */
export function uniforms(n, seed) {
  let state = Math.max(1, Math.abs(seed))
  const next = () => {
    const quotient = Math.floor(state / 127773)
    state = 16807 * (state - quotient * 127773) - 2836 * quotient
    if (state < 0) state += MODULUS
    return state
  }
  const table = new Float64Array(32)
  for (let i = 39; i >= 0; i--) {
    const value = next()
    if (i < 32) table[i] = value
  }
  let last = table[0]
  return Float64Array.from({ length: n }, () => {
    const value = next()
    const slot = Math.floor(last / 67108865)
    last = table[slot]
    table[slot] = value
    return last / 2.147483647e9 || 1e-99
  })
}

/** n standard normal numbers. */
export function normals(n, seed) {
  const u = uniforms(2 * n, seed)
  return Float64Array.from(
    { length: n },
    (_, i) => Math.sqrt(-2 * Math.log(u[i])) * Math.cos(2 * Math.PI * u[n + i]) || 1e-99,
  )
}

/** An orthogonal matrix, shape (d, d), row-major. */
export function rotation(seed, d) {
  const rows = normals(d * d, seed)
  const dot = (i, j) => {
    let sum = 0
    for (let k = 0; k < d; k++) sum += rows[i * d + k] * rows[j * d + k]
    return sum
  }
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < i; j++) {
      const overlap = dot(i, j)
      for (let k = 0; k < d; k++) rows[i * d + k] -= overlap * rows[j * d + k]
    }
    const length = Math.sqrt(dot(i, i))
    for (let k = 0; k < d; k++) rows[i * d + k] /= length
  }
  return rows
}
