import { SOBOL_DIMENSIONS, sobolDirections } from './sobol-directions.ts'

export { SOBOL_DIMENSIONS }

/** Binary digits of a coordinate, and log2 of the number of points. */
const BITS = 32

/** What scrambling needs of a generator: uniform integers in [low, high). */
interface IntegerSource {
  integer(low: number, high: number): number
}

/**
 * Sobol's sequence: every aligned block of 2^k points is a digital net in base 2. Without a generator the plain sequence, in Gray
 * code order (I. A. Antonov, V. M. Saleev, 1979); with one, scrambled by a random lower-triangular bit matrix and a digital
 * shift per coordinate (J. Matousek, "On the L2-discrepancy for anchored boxes", J. Complexity 14, 1998), which keeps the nets
 * and makes each point uniform. Points are a function of their index alone: an index and the generator's state are all there is to save.
 */
export class SobolSequence {
  readonly dimension: number
  readonly #directions: Uint32Array // (dimension, BITS): v_j at [dimension][j], j = 0 the first binary digit
  readonly #shift: Uint32Array // (dimension,)

  /**
   * @param dimension 1 to {@link SOBOL_DIMENSIONS}.
   * @throws {RangeError} for other dimensions.
   */
  constructor(dimension: number, scramble?: IntegerSource) {
    if (!Number.isInteger(dimension) || dimension < 1 || dimension > SOBOL_DIMENSIONS) {
      throw new RangeError(`Expected 1 to ${SOBOL_DIMENSIONS} Sobol dimensions, got ${dimension}.`)
    }
    this.dimension = dimension
    this.#directions = directionVectors(dimension)
    this.#shift = new Uint32Array(dimension)
    if (scramble !== undefined) {
      for (let i = 0; i < dimension; i++) {
        scrambleLinearly(this.#directions.subarray(i * BITS, (i + 1) * BITS), scramble)
        this.#shift[i] = randomWord(scramble)
      }
    }
  }

  /**
   * The point at `index` (from 0), shape (dimension,), coordinates in [0, 1), multiples of 2^-32.
   * @throws {RangeError} unless 0 <= index < 2^32.
   */
  point(index: number): Float64Array {
    if (!Number.isInteger(index) || index < 0 || index >= 2 ** BITS) {
      throw new RangeError(`Expected a Sobol index from 0 to 2^${BITS} - 1, got ${index}.`)
    }
    const gray = (index ^ (index >>> 1)) >>> 0
    const point = new Float64Array(this.dimension)
    for (let i = 0; i < this.dimension; i++) {
      let digits = this.#shift[i]!
      for (let j = 0, rest = gray; rest !== 0; j++, rest >>>= 1) {
        if (rest & 1) digits ^= this.#directions[i * BITS + j]!
      }
      point[i] = (digits >>> 0) / 2 ** BITS
    }
    return point
  }
}

/** P. Bratley, B. L. Fox, "Algorithm 659", ACM TOMS 14(1), 1988, section 2: v_j from v_{j-s} ... v_{j-1} and the polynomial. */
function directionVectors(dimension: number): Uint32Array {
  const v = new Uint32Array(dimension * BITS)
  for (let j = 0; j < BITS; j++) v[j] = 2 ** (BITS - 1 - j) // dimension 1: van der Corput
  for (const [index, { degree: s, a, m }] of sobolDirections(dimension - 1).entries()) {
    const row = v.subarray((index + 1) * BITS, (index + 2) * BITS)
    for (let j = 0; j < s; j++) row[j] = m[j]! * 2 ** (BITS - 1 - j)
    for (let j = s; j < BITS; j++) {
      let word = row[j - s]! ^ (row[j - s]! >>> s)
      for (let k = 1; k < s; k++) if ((a >>> (s - 1 - k)) & 1) word ^= row[j - k]!
      row[j] = word
    }
  }
  return v
}

/** Multiplies every direction vector by one random lower-triangular bit matrix with unit diagonal. */
function scrambleLinearly(vectors: Uint32Array, random: IntegerSource): void {
  // Digit r of the product is the parity of (row r of the matrix AND vector): the unit diagonal, and random bits before it.
  const matrix = Uint32Array.from({ length: BITS }, (_, r) => {
    const diagonal = 2 ** (BITS - 1 - r)
    const before = r === 0 ? 0 : (0xffffffff << (BITS - r)) >>> 0
    return diagonal + ((randomWord(random) & before) >>> 0)
  })
  for (let j = 0; j < vectors.length; j++) {
    let word = 0
    for (let r = 0; r < BITS; r++) word = (word << 1) | parity(matrix[r]! & vectors[j]!)
    vectors[j] = word
  }
}

function parity(word: number): number {
  let w = word ^ (word >>> 16)
  w ^= w >>> 8
  w ^= w >>> 4
  return (0x6996 >>> (w & 15)) & 1
}

function randomWord(random: IntegerSource): number {
  return random.integer(0, 2 ** BITS)
}
