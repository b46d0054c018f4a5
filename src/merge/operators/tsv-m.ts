import type { Matrix } from 'ml-matrix'
import { alpha, weight } from './common-parameters.ts'
import type { MergeOperator, TensorInput } from './operator.ts'
import { preparedSum } from './prepared-sum.ts'
import { asMatrix, asVector, besides, compose, decompose, isSpectral, leading, nearestOrthonormal } from './spectral.ts'
import { taskVectors } from './vectors.ts'

/**
 * A. A. Gargiulo et al., "Task singular vectors: reducing task interference in model merging", CVPR 2025, algorithm 1 (TSV-M): the leading 1/M of each task's
 * singular vectors, made orthogonal across tasks by Procrustes. Weights scale the tasks' singular values.
 */
export const tsvM: MergeOperator = {
  name: 'tsv_m',
  title: 'Task singular vectors',
  reference: { text: 'Gargiulo et al. 2025, Task singular vectors', url: 'https://arxiv.org/abs/2412.00081' },
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'linear',
  span: 'tensor',
  parameters: [alpha],
  coefficients: [weight],
  ...preparedSum({
    structure: () => 'all',
    bases: partsInCommon,
    coefficients: ({ coefficients, parameters }) => coefficients.weight!.map(w => Number(parameters.alpha) * w),
  }),
}

/** What each task adds to the merge at weight 1. */
function partsInCommon(input: TensorInput): Float64Array[] {
  const { base, models, shape } = input
  const taus = taskVectors(models, base!)
  if (!isSpectral(input)) return taus.map(tau => tau.map(value => value / models.length))
  const r = Math.min(...shape)
  const k = Math.trunc(r * (1 / models.length)) // the order of operations decides k where the quotient is whole
  if (k === 0) return []
  const parts = taus.map(tau => leading(decompose(asMatrix(tau, shape)), k))
  const U = nearestOrthonormal(besides(parts.map(part => part.U)))
  const V = nearestOrthonormal(besides(parts.map(part => part.V)))
  const own = (A: Matrix, m: number): Matrix => A.subMatrix(0, A.rows - 1, m * k, (m + 1) * k - 1)
  return parts.map(({ s }, m) => asVector(compose({ U: own(U, m), s, V: own(V, m) })))
}
