/**
 * Competition for examples: every example is a resource that those who solve it share, so that a candidate is worth what it solves
 * and few others do.
 *
 * J. Abrantes, R. Lange, Y. Tang, "Competition and Attraction Improve Model Fusion", GECCO 2025, section 3.
 */
export interface Competition {
  /** α: 1 shares each example among its solvers; 0 does not share, which makes a plain genetic algorithm. */
  readonly alpha: number
  /** Scores count from the worst one of each example on: for graded scores, whose common floor says nothing. */
  readonly subtractWorst: boolean
}

/** Scores s_ij >= 0 of K candidates on N examples, a row each: larger is better, NaN: not scored. */
export type ScoreRows = readonly ArrayLike<number>[]

/**
 * What each candidate gets of each example: f_ij = c_j s_ij / z_j^α with z_j = Σ_i s_ij. An example that nobody solves (z_j = 0) feeds
 * nobody. The capacity c_j is max_i s_ij, which is 1 for an example with right and wrong answers; without sharing it is 1.
 *
 * The authors' program has the power α in the choice of mates too, where the paper divides by z_j; they agree for α = 1. Here it is the
 * program's.
 *
 * @param rows without missing scores: see `fillMissing`
 * @returns shape (K, N), row-major
 */
export function shareExamples(rows: ScoreRows, { alpha, subtractWorst }: Competition): Float64Array {
  const N = rows[0]?.length ?? 0
  const z = new Float64Array(N)
  const most = new Float64Array(N)
  const least = subtractWorst ? lowest(rows, N) : new Float64Array(N)
  for (const row of rows) {
    for (let j = 0; j < N; j++) {
      const s = row[j]! - least[j]!
      z[j]! += s
      if (s > most[j]!) most[j] = s
    }
  }
  const share = new Float64Array(N) // c_j / z_j^α
  for (let j = 0; j < N; j++) {
    if (z[j]! > 0) share[j] = alpha === 0 ? 1 : most[j]! / (alpha === 1 ? z[j]! : z[j]! ** alpha)
  }
  const shared = new Float64Array(rows.length * N)
  for (const [i, row] of rows.entries()) {
    for (let j = 0; j < N; j++) shared[i * N + j] = share[j]! * (row[j]! - least[j]!)
  }
  return shared
}

/** f_i = Σ_j f_ij. @param shared shape (K, N). @returns shape (K,) */
export function fitness(shared: Float64Array, K: number): Float64Array {
  const N = shared.length / K
  const f = new Float64Array(K)
  for (let i = 0; i < K; i++) {
    let sum = 0
    for (let j = i * N; j < (i + 1) * N; j++) sum += shared[j]!
    f[i] = sum
  }
  return f
}

/**
 * Attraction: what each candidate would add to the first parent A, g_i = Σ_j max(0, f_ij − f_Aj). Zero for A itself.
 * @param shared shape (K, N). @returns shape (K,)
 */
export function attraction(shared: Float64Array, K: number, A: number): Float64Array {
  const N = shared.length / K
  const g = new Float64Array(K)
  for (let i = 0; i < K; i++) {
    let sum = 0
    for (let j = 0; j < N; j++) {
      sum += Math.max(0, shared[i * N + j]! - shared[A * N + j]!)
    }
    g[i] = sum
  }
  return g
}

/** Position of the smallest value; of equal ones the first, so that a newcomer, being last, wins a tie. */
export function weakest(f: ArrayLike<number>): number {
  let at = 0
  for (let i = 1; i < f.length; i++) if (f[i]! < f[at]!) at = i
  return at
}

function lowest(rows: ScoreRows, N: number): Float64Array {
  const least = new Float64Array(N).fill(Number.POSITIVE_INFINITY)
  for (const row of rows) for (let j = 0; j < N; j++) if (row[j]! < least[j]!) least[j] = row[j]!
  return least
}
