import { mlMatrix } from '../../numerics/ml-matrix.ts'
import { alpha } from './common-parameters.ts'
import type { MergeOperator, TensorInput } from './operator.ts'
import { preparedSum } from './prepared-sum.ts'
import { asMatrix, asVector, isSpectral, meanOf } from './spectral.ts'
import { combination, dot, isZero, taskVectors } from './vectors.ts'

/**
 * R. Cheng et al., "Whoever started the interference should end it: guiding data-free model merging via task vectors" (WUDI-Merging), ICML 2025: the merged task
 * vector M that interferes least with each task, min Σ ‖(M − τ_i) τ_iᵀ‖² / ‖τ_i‖². The paper descends by Adam from Σ τ_i; the loss is quadratic,
 * so here its minimum is solved for: M = (Σ τ_i H_i + ε M0)(Σ H_i + ε I)⁻¹ with H_i = τ_iᵀ τ_i / ‖τ_i‖² and M0 = Σ τ_i. ε pulls towards the
 * start as stopping early does.
 */
export const wudi: MergeOperator = {
  name: 'wudi',
  title: 'WUDI, closed form',
  reference: {
    text: 'Cheng et al. 2025, Whoever started the interference should end it',
    url: 'https://arxiv.org/abs/2503.08099',
  },
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'prepared',
  span: 'tensor',
  parameters: [
    alpha,
    {
      kind: 'number',
      name: 'epsilon',
      description: 'Pull towards the sum of the task vectors, relative to the mean eigenvalue of Σ H.',
      default: 0.1,
      bounds: [1e-9, Number.MAX_VALUE],
      searchRange: [1e-3, 1],
    },
  ],
  coefficients: [],
  ...preparedSum({
    structure: ({ parameters }) => parameters.epsilon,
    bases: leastInterference,
    coefficients: ({ parameters }) => [Number(parameters.alpha)],
  }),
}

function leastInterference(input: TensorInput): Float64Array[] {
  const { base, models, shape, parameters } = input
  const taus = taskVectors(models, base!).filter(tau => !isZero(tau))
  if (taus.length === 0) return []
  if (!isSpectral(input)) return [meanOf(taskVectors(models, base!))]
  const n = shape[1]!
  const { CholeskyDecomposition, Matrix, solve } = mlMatrix()
  const S = Matrix.zeros(n, n)
  const R = Matrix.zeros(shape[0]!, n)
  for (const tau of taus) {
    const T = asMatrix(tau, shape)
    const H = T.transpose().mmul(T).div(dot(tau, tau))
    S.add(H)
    R.add(T.mmul(H))
  }
  const ridge = (Number(parameters.epsilon) * S.trace()) / n
  const start = asMatrix(
    combination(
      taus.map(() => 1),
      taus,
    ),
    shape,
  )
  const left = Matrix.add(S, Matrix.eye(n).mul(ridge))
  const right = Matrix.add(R, start.mul(ridge)).transpose()
  const cholesky = new CholeskyDecomposition(left)
  const M = (cholesky.isPositiveDefinite() ? cholesky.solve(right) : solve(left, right, true)).transpose()
  return [asVector(M)]
}
