import type { PreparedSum, TensorInput } from './operator.ts'
import { combination, sum } from './vectors.ts'

/** The definition and the candidate plan of an operator that is W0 + Σ c_j B_j: one is the other, in float64. */
export function preparedSum(plan: Omit<PreparedSum, 'kind'>) {
  const merge = (input: TensorInput): Float64Array => {
    const bases = plan.bases(input)
    return bases.length === 0 ? input.base! : sum(input.base!, combination(plan.coefficients(input), bases))
  }
  return { candidate: { kind: 'prepared', ...plan } satisfies PreparedSum, merge } as const
}
