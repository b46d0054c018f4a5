import type { ScoreRows } from './competition.ts'

/**
 * Fills in scores that were not measured (NaN), because an evaluation stopped early: never with zero, which would punish being
 * cheap. A score is expected to be what its example usually gets, plus what its candidate is better than usual on the examples it has:
 * s_ij ≈ q_j + mean over known j' of (s_ij' − q_j'), held between 0 and the best known score of the example (of the candidate, where nobody
 * was scored on it). This is the two-way additive model, the first order of item-response theory.
 *
 * @returns the rows themselves where nothing is missing
 */
export function fillMissing(rows: ScoreRows): ScoreRows {
  if (!rows.some(hasMissing)) return rows
  const N = rows[0]!.length
  const q = new Float64Array(N)
  const most = new Float64Array(N)
  const known = new Int32Array(N)
  for (const row of rows) {
    for (let j = 0; j < N; j++) {
      if (Number.isNaN(row[j]!)) continue
      q[j]! += row[j]!
      known[j]!++
      if (row[j]! > most[j]!) most[j] = row[j]!
    }
  }
  for (let j = 0; j < N; j++) q[j] = known[j]! > 0 ? q[j]! / known[j]! : Number.NaN
  return rows.map(row => (hasMissing(row) ? filled(row, q, most) : row))
}

function filled(row: ArrayLike<number>, q: Float64Array, most: Float64Array): Float64Array {
  let surplus = 0
  let sum = 0
  let count = 0
  for (let j = 0; j < row.length; j++) {
    if (Number.isNaN(row[j]!)) continue
    surplus += row[j]! - q[j]!
    sum += row[j]!
    count++
  }
  const [better, mean] = count > 0 ? [surplus / count, sum / count] : [0, 0]
  return Float64Array.from(row, (s, j) => {
    if (!Number.isNaN(s)) return s
    return Number.isNaN(q[j]!) ? mean : Math.min(most[j]!, Math.max(0, q[j]! + better))
  })
}

function hasMissing(row: ArrayLike<number>): boolean {
  for (let j = 0; j < row.length; j++) if (Number.isNaN(row[j]!)) return true
  return false
}
