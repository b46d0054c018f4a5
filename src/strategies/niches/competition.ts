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

/** What a point is worth on each example, shape (N,), and from which score on points count. */
export interface Worth {
  readonly perPoint: Float64Array
  readonly from: Float64Array
}

/**
 * The worth of a point on each example: c_j / z_j^α with z_j = Σ_i s_ij, so that candidate i gets f_ij = s_ij c_j / z_j^α of it. An example that
 * nobody solves (z_j = 0) feeds nobody. The capacity c_j is max_i s_ij, which is 1 for an example with right and wrong answers; without
 * sharing it is 1.
 *
 * The authors' program has the power α in the choice of mates too, where the paper divides by z_j; they agree for α = 1. Here it is the
 * program's.
 *
 * @param rows without missing scores: see `fillMissing`
 */
export function shareExamples(rows: ScoreRows, { alpha, subtractWorst }: Competition): Worth {
  const N = rows[0]?.length ?? 0
  const z = new Float64Array(N)
  const most = new Float64Array(N)
  const from = subtractWorst ? lowest(rows, N) : new Float64Array(N)
  for (const row of rows) {
    for (let j = 0; j < N; j++) {
      const s = row[j]! - from[j]!
      z[j]! += s
      if (s > most[j]!) most[j] = s
    }
  }
  const perPoint = z.map((sum, j) => {
    if (!(sum > 0)) return 0
    return alpha === 0 ? 1 : most[j]! / (alpha === 1 ? sum : sum ** alpha)
  })
  return { perPoint, from }
}

/** f_i = Σ_j f_ij, shape (K,). */
export function fitness(rows: ScoreRows, { perPoint, from }: Worth): Float64Array {
  const f = new Float64Array(rows.length)
  for (const [i, row] of rows.entries()) {
    let sum = 0
    for (let j = 0; j < perPoint.length; j++) sum += perPoint[j]! * (row[j]! - from[j]!)
    f[i] = sum
  }
  return f
}

/** Attraction: what each candidate would add to the first parent A, g_i = Σ_j max(0, f_ij − f_Aj), shape (K,). Zero for A itself. */
export function attraction(rows: ScoreRows, { perPoint }: Worth, A: number): Float64Array {
  const first = rows[A]!
  const g = new Float64Array(rows.length)
  for (const [i, row] of rows.entries()) {
    let sum = 0
    for (let j = 0; j < perPoint.length; j++) {
      const more = row[j]! - first[j]!
      if (more > 0) sum += perPoint[j]! * more
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
