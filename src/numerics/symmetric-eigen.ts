/**
 * Eigenvalues and eigenvectors of a real symmetric matrix: Householder tridiagonalisation, then QL iteration with implicit
 * Wilkinson shifts (G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th ed., 8.3.1 and 8.3.5; the QL form of J. H. Wilkinson,
 * C. Reinsch, "Handbook for Automatic Computation II", contributions II/2 and II/4). Eigenvectors are kept as rows: each rotation then runs over two contiguous
 * rows. An instance owns its work arrays; `decompose` allocates nothing.
 */
export class SymmetricEigen {
  readonly dimension: number
  /** Ascending. Shape (d,). Overwritten by the next `decompose`. */
  readonly values: Float64Array
  /** Orthonormal. Shape (d, d), row-major: row k is the eigenvector of `values[k]`. Overwritten by the next `decompose`. */
  readonly vectors: Float64Array
  readonly #work: Float64Array // (d, d): lower triangle the shrinking matrix; row k right of the diagonal: v of reflector k
  readonly #offDiagonal: Float64Array // (d,): T[k+1][k] at k
  readonly #beta: Float64Array // (d,): 2 / |v|^2 of reflector k, 0: no reflection
  readonly #product: Float64Array // (d,)

  constructor(dimension: number) {
    if (!Number.isInteger(dimension) || dimension < 1) {
      throw new RangeError(`Expected a positive matrix dimension, got ${dimension}.`)
    }
    this.dimension = dimension
    this.values = new Float64Array(dimension)
    this.vectors = new Float64Array(dimension * dimension)
    this.#work = new Float64Array(dimension * dimension)
    this.#offDiagonal = new Float64Array(dimension)
    this.#beta = new Float64Array(dimension)
    this.#product = new Float64Array(dimension)
  }

  /**
   * @param matrix shape (d, d), row-major; only the lower triangle is read, and it is left unchanged.
   * @throws {RangeError} if the shape is wrong or an entry is not finite.
   */
  decompose(matrix: Float64Array): void {
    const d = this.dimension
    if (matrix.length !== d * d) throw new RangeError(`Expected ${d} x ${d} entries, got ${matrix.length}.`)
    let scale = 0
    for (let i = 0; i < d; i++) {
      for (let j = 0; j <= i; j++) {
        const entry = Math.abs(matrix[i * d + j]!)
        if (!Number.isFinite(entry)) throw new RangeError(`Expected finite entries, got ${entry} at (${i}, ${j}).`)
        if (entry > scale) scale = entry
      }
    }
    // Entries of at most 1 make squares safe from overflow; a power of two scales without rounding.
    const unit = scale === 0 ? 1 : 2 ** Math.max(-1000, Math.min(1000, Math.round(Math.log2(scale))))
    for (let i = 0; i < d; i++) {
      for (let j = 0; j <= i; j++) this.#work[i * d + j] = matrix[i * d + j]! / unit
    }
    this.#tridiagonalize()
    this.#accumulateReflectors()
    this.#diagonalize()
    this.#sort()
    for (let k = 0; k < d; k++) this.values[k]! *= unit
  }

  /** A = Q T Q^T with Q = H_0 H_1 ...; leaves T's diagonal in `values`. */
  #tridiagonalize(): void {
    const d = this.dimension
    const a = this.#work
    const p = this.#product
    for (let k = 0; k < d; k++) {
      this.values[k] = a[k * d + k]!
      this.#beta[k] = 0
      this.#offDiagonal[k] = 0
      if (k + 1 === d) return
      // Reflector H_k = I - beta v v^T maps column k below the diagonal to a multiple of its first unit vector.
      let tail = 0
      for (let i = k + 2; i < d; i++) tail += a[i * d + k]! * a[i * d + k]!
      const head = a[(k + 1) * d + k]!
      if (tail < NEGLIGIBLE * NEGLIGIBLE) {
        this.#offDiagonal[k] = head
        continue
      }
      const norm = head > 0 ? -Math.sqrt(head * head + tail) : Math.sqrt(head * head + tail)
      const v = k * d // v_i lies at a[v + i], right of the diagonal of row k
      a[v + k + 1] = head - norm
      for (let i = k + 2; i < d; i++) a[v + i] = a[i * d + k]!
      const beta = 2 / (tail + (head - norm) * (head - norm))
      this.#offDiagonal[k] = norm
      this.#beta[k] = beta
      // p = beta A v, then w = p - (beta/2)(p.v) v, then A -= v w^T + w v^T, all on the lower triangle.
      p.fill(0, k + 1)
      for (let i = k + 1; i < d; i++) {
        const vi = a[v + i]!
        let sum = a[i * d + i]! * vi
        for (let j = k + 1; j < i; j++) {
          sum += a[i * d + j]! * a[v + j]!
          p[j]! += a[i * d + j]! * vi
        }
        p[i]! += sum
      }
      let overlap = 0
      for (let i = k + 1; i < d; i++) {
        p[i]! *= beta
        overlap += p[i]! * a[v + i]!
      }
      overlap *= beta / 2
      for (let i = k + 1; i < d; i++) p[i]! -= overlap * a[v + i]!
      for (let i = k + 1; i < d; i++) {
        const vi = a[v + i]!
        const wi = p[i]!
        for (let j = k + 1; j <= i; j++) a[i * d + j]! -= vi * p[j]! + wi * a[v + j]!
      }
    }
  }

  /** Q^T into `vectors`: the last reflectors first, so that the untouched part stays the identity. */
  #accumulateReflectors(): void {
    const d = this.dimension
    const q = this.vectors
    q.fill(0)
    for (let i = 0; i < d; i++) q[i * d + i] = 1
    for (let k = d - 3; k >= 0; k--) {
      const beta = this.#beta[k]!
      if (beta === 0) continue
      const v = k * d
      for (let i = k + 1; i < d; i++) {
        let dot = 0
        for (let j = k + 1; j < d; j++) dot += q[i * d + j]! * this.#work[v + j]!
        dot *= beta
        for (let j = k + 1; j < d; j++) q[i * d + j]! -= dot * this.#work[v + j]!
      }
    }
  }

  /** QL with implicit shifts on T, its rotations applied to the rows of `vectors`. */
  #diagonalize(): void {
    const d = this.dimension
    const diagonal = this.values
    const off = this.#offDiagonal
    const rows = this.vectors
    for (let first = 0; first < d; first++) {
      for (let sweep = 0; ; sweep++) {
        let last = first
        while (last + 1 < d) {
          const neighbours = Math.abs(diagonal[last]!) + Math.abs(diagonal[last + 1]!)
          const coupling = Math.abs(off[last]!)
          if (neighbours + coupling === neighbours || coupling < NEGLIGIBLE) break
          last++
        }
        if (last === first) break
        if (sweep === MAX_SWEEPS) throw new RangeError(`Eigenvalue ${first} did not converge in ${MAX_SWEEPS} sweeps.`)
        // Wilkinson's shift: the eigenvalue of the leading 2 x 2 block that is nearer to its first entry.
        const half = (diagonal[first + 1]! - diagonal[first]!) / (2 * off[first]!)
        const root = Math.sqrt(half * half + 1)
        let g = diagonal[last]! - diagonal[first]! + off[first]! / (half + (half < 0 ? -root : root))
        let sine = 1
        let cosine = 1
        let shift = 0
        let split = false
        for (let i = last - 1; i >= first; i--) {
          const f = sine * off[i]!
          const b = cosine * off[i]!
          const r = Math.sqrt(f * f + g * g)
          off[i + 1] = r
          if (r === 0) {
            // The matrix fell apart at i + 1: finish this sweep early.
            diagonal[i + 1]! -= shift
            off[last] = 0
            split = true
            break
          }
          sine = f / r
          cosine = g / r
          const rest = diagonal[i + 1]! - shift
          const t = (diagonal[i]! - rest) * sine + 2 * cosine * b
          shift = sine * t
          diagonal[i + 1] = rest + shift
          g = cosine * t - b
          rotateRows(rows, i * d, (i + 1) * d, d, cosine, sine)
        }
        if (split) continue
        diagonal[first]! -= shift
        off[first] = g
        off[last] = 0
      }
    }
  }

  #sort(): void {
    const d = this.dimension
    for (let i = 0; i < d - 1; i++) {
      let least = i
      for (let k = i + 1; k < d; k++) if (this.values[k]! < this.values[least]!) least = k
      if (least === i) continue
      const value = this.values[i]!
      this.values[i] = this.values[least]!
      this.values[least] = value
      for (let j = 0; j < d; j++) {
        const entry = this.vectors[i * d + j]!
        this.vectors[i * d + j] = this.vectors[least * d + j]!
        this.vectors[least * d + j] = entry
      }
    }
  }
}

/** Entries below this, beside a largest entry of about 1, count as zero: their squares would underflow and spoil rotations. */
const NEGLIGIBLE = 1e-140

/** Two or three sweeps per eigenvalue are usual. */
const MAX_SWEEPS = 60

function rotateRows(a: Float64Array, upper: number, lower: number, length: number, cosine: number, sine: number): void {
  for (let j = 0; j < length; j++) {
    const x = a[upper + j]!
    const y = a[lower + j]!
    a[lower + j] = sine * x + cosine * y
    a[upper + j] = cosine * x - sine * y
  }
}
