import { alpha, weight } from './common-parameters.ts'
import type { MergeOperator } from './operator.ts'
import {
  addMean,
  addScaled,
  asMatrix,
  besides,
  compose,
  decompose,
  isSpectral,
  leading,
  nearestOrthonormal,
} from './spectral.ts'
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
  merge(input) {
    const { base, models, shape, coefficients, parameters } = input
    const taus = taskVectors(models, base!)
    const scaled = taus.map((tau, m) => tau.map(value => coefficients.weight![m]! * value))
    if (!isSpectral(input)) return addMean(base!, scaled, Number(parameters.alpha))
    const r = Math.min(...shape)
    const k = Math.trunc(r * (1 / models.length)) // the order of operations decides k where the quotient is whole
    if (k === 0) return base!
    const parts = taus.map(tau => leading(decompose(asMatrix(tau, shape)), k))
    const delta = compose({
      U: nearestOrthonormal(besides(parts.map(part => part.U))),
      s: parts.flatMap(({ s }, m) => s.map(value => coefficients.weight![m]! * value)),
      V: nearestOrthonormal(besides(parts.map(part => part.V))),
    })
    return addScaled(base!, delta, Number(parameters.alpha))
  },
}
