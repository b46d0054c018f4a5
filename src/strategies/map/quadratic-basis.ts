/**
 * Quadratic models of d coordinates, as monomials of t = 2u - 1, u in the unit cube (centred: the columns are then nearly
 * uncorrelated). Order: t_1 ... t_d, t_1² ... t_d², and for the full model t_1 t_2, t_1 t_3, ..., t_{d-1} t_d.
 */
export const MODELS = ['full', 'diagonal'] as const
export type Model = (typeof MODELS)[number]

/** The intercept included: (d + 1)(d + 2) / 2, or 1 + 2 d. */
export function coefficientCount(model: Model, d: number): number {
  return model === 'full' ? ((d + 1) * (d + 2)) / 2 : 1 + 2 * d
}

/** Without the intercept. @param u shape (d,), 0..1. @returns shape (coefficientCount - 1,). */
export function monomials(model: Model, u: ArrayLike<number>): Float64Array {
  const d = u.length
  const row = new Float64Array(coefficientCount(model, d) - 1)
  for (let i = 0; i < d; i++) {
    const t = 2 * u[i]! - 1
    row[i] = t
    row[d + i] = t * t
  }
  if (model === 'full') {
    let column = 2 * d
    for (let i = 0; i < d; i++) for (let j = i + 1; j < d; j++) row[column++] = row[i]! * row[j]!
  }
  return row
}

/** q(u) = intercept + Σ coefficients · monomials, without building the row. */
export function quadratic(model: Model, intercept: number, coefficients: Float64Array, u: ArrayLike<number>): number {
  const d = u.length
  let sum = intercept
  let column = 2 * d
  for (let i = 0; i < d; i++) {
    const t = 2 * u[i]! - 1
    let slope = coefficients[i]! + coefficients[d + i]! * t
    if (model === 'full') for (let j = i + 1; j < d; j++) slope += coefficients[column++]! * (2 * u[j]! - 1)
    sum += t * slope
  }
  return sum
}
