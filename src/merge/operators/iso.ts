import { alpha, weight } from './common-parameters.ts'
import type { MergeOperator, TensorInput } from './operator.ts'
import { preparedSum } from './prepared-sum.ts'
import {
  asMatrix,
  asVector,
  besides,
  compose,
  decompose,
  isSpectral,
  leading,
  meanOf,
  nearestOrthonormal,
} from './spectral.ts'
import { combination, taskVectors } from './vectors.ts'

/** D. Marczak et al., "No task left behind: isotropic model merging with common and task-specific subspaces", ICML 2025. */
const reference = { text: 'Marczak et al. 2025, No task left behind', url: 'https://arxiv.org/abs/2502.04959' }

/** Algorithm 1 (Iso-C): the summed task vectors with all singular values made equal to their mean. */
export const isoC: MergeOperator = {
  name: 'iso_c',
  title: 'Isotropic merging, common subspace',
  reference,
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'prepared',
  span: 'tensor',
  parameters: [alpha],
  coefficients: [weight],
  ...preparedSum({
    structure: ({ coefficients }) => coefficients.weight,
    bases: input => [isotropic(input)],
    coefficients: ({ parameters }) => [Number(parameters.alpha)],
  }),
}

function isotropic(input: TensorInput): Float64Array {
  const taus = weighed(input)
  if (!isSpectral(input)) return meanOf(taus)
  const { U, s, V } = decompose(
    asMatrix(
      combination(
        taus.map(() => 1),
        taus,
      ),
      input.shape,
    ),
  )
  const mean = average(s)
  return asVector(compose({ U, s: s.map(() => mean), V }))
}

/** Algorithm 2 (Iso-CTS): a common subspace of the sum, completed by directions of each task outside of it, then made isotropic. */
export const isoCts: MergeOperator = {
  name: 'iso_cts',
  title: 'Isotropic merging, common and task-specific subspaces',
  reference,
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'prepared',
  span: 'tensor',
  parameters: [
    alpha,
    {
      kind: 'number',
      name: 'common_space_fraction',
      description: 'Share of the singular directions that the sum of all tasks decides.',
      default: 0.8,
      bounds: [0, 1],
      searchRange: [0.2, 1],
    },
  ],
  coefficients: [weight],
  ...preparedSum({
    structure: ({ coefficients, parameters }) => [coefficients.weight, parameters.common_space_fraction],
    bases: input => [isotropicByTask(input)],
    coefficients: ({ parameters }) => [Number(parameters.alpha)],
  }),
}

function isotropicByTask(input: TensorInput): Float64Array {
  const { shape, parameters } = input
  const taus = weighed(input)
  if (!isSpectral(input)) return meanOf(taus)
  const M = taus.length
  const r = Math.min(...shape)
  const wanted = r - Math.trunc(r * Number(parameters.common_space_fraction))
  const specific = halfToEven(wanted / M) * M
  const common = leading(
    decompose(
      asMatrix(
        combination(
          taus.map(() => 1),
          taus,
        ),
        shape,
      ),
    ),
    Math.max(0, r - specific),
  )
  const each = Math.trunc((r - common.s.length) / M)
  const parts = taus.map(tau => {
    const matrix = asMatrix(tau, shape)
    const shared = common.s.length === 0 ? matrix.clone().mul(0) : common.U.mmul(common.U.transpose().mmul(matrix))
    return leading(decompose(matrix.sub(shared)), each)
  })
  const all = [...parts, common] // task blocks first
  const s = all.flatMap(part => part.s)
  const mean = average(s)
  return asVector(
    compose({
      U: nearestOrthonormal(besides(all.map(part => part.U))),
      s: s.map(() => mean),
      V: nearestOrthonormal(besides(all.map(part => part.V))),
    }),
  )
}

function weighed({ base, models, coefficients }: TensorInput): Float64Array[] {
  return taskVectors(models, base!).map((tau, m) => tau.map(value => coefficients.weight![m]! * value))
}

function average(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length
}

/** Rounds to the nearest whole number, halves to the even one. */
function halfToEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest !== 0.5) return Math.round(value)
  return floor % 2 === 0 ? floor : floor + 1
}
