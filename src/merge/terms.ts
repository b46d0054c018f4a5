import { MergeError } from '../errors.ts'
import type { PlanTerm } from './method.ts'

/**
 * Coefficients as the kernels take them: rounded to float32 once, and without the sources that do not count: they need not even be read.
 * @throws {MergeError} on coefficients beyond float32
 */
export function kernelTerms(sources: readonly number[], coefficients: readonly number[], where: string): PlanTerm[] {
  const terms: PlanTerm[] = []
  for (const [j, source] of sources.entries()) {
    const coefficient = Math.fround(coefficients[j]!)
    if (!Number.isFinite(coefficient)) {
      throw new MergeError(`The coefficient ${coefficients[j]} in ${where} is beyond the range of float32.`)
    }
    if (coefficient !== 0) terms.push({ source, coefficient })
  }
  return terms
}
