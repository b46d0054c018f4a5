import type { Matrix } from 'ml-matrix'
import { mlMatrix } from '../../numerics/ml-matrix.ts'
import { alpha } from './common-parameters.ts'
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
  type Spectrum,
} from './spectral.ts'
import { taskVectors } from './vectors.ts'

/**
 * DC-Merge ("Improving model merging with directional consistency", 2026), the procedure of its released code: leading singular vectors of all tasks made
 * orthogonal as in TSV-M, singular values of a task smoothed, task vectors merged by magnitude and sign inside that common basis, and only what
 * stays within a task's own block kept.
 */
export const dcMerge: MergeOperator = {
  name: 'dc_merge',
  title: 'DC-Merge, directional consistency',
  reference: {
    text: 'DC-Merge: improving model merging with directional consistency',
    url: 'https://arxiv.org/abs/2603.06242',
  },
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'prepared',
  span: 'tensor',
  parameters: [
    alpha,
    {
      kind: 'choice',
      name: 'smoothing',
      description:
        'Of the singular values of a task: none, all equal to their mean (average), or falling evenly to it (linear).',
      choices: ['none', 'average', 'linear'],
      default: 'average',
    },
    {
      kind: 'number',
      name: 'rho',
      description: 'linear: largest ratio of the first singular value to the last.',
      default: 5,
      bounds: [1, Number.MAX_VALUE],
      searchRange: [1, 10],
    },
    {
      kind: 'number',
      name: 'density',
      description: 'Share of a task’s elements in the common basis that is kept, largest first.',
      default: 1e-3,
      bounds: [0, 1],
      searchRange: [1e-3, 1],
    },
  ],
  coefficients: [],
  ...preparedSum({
    structure: ({ parameters: { alpha: _, ...others } }) => others,
    bases: input => [inCommonBasis(input)],
    coefficients: ({ parameters }) => [Number(parameters.alpha)],
  }),
}

function inCommonBasis(input: TensorInput): Float64Array {
  const { base, models, shape, parameters } = input
  const taus = taskVectors(models, base!)
  const k = Math.trunc(Math.min(...shape) * (1 / models.length))
  if (!isSpectral(input) || k === 0) return meanOf(taus)
  const parts = taus
    .map(tau => leading(decompose(asMatrix(tau, shape)), k))
    .map(part => ({ ...part, s: smooth(part.s, String(parameters.smoothing), Number(parameters.rho)) }))
  const U = nearestOrthonormal(besides(parts.map(part => part.U)))
  const V = nearestOrthonormal(besides(parts.map(part => part.V)))
  const inside = parts.map(part => U.transpose().mmul(compose(part)).mmul(V))
  const merged = mergeInside(inside, Number(parameters.density))
  for (let i = 0; i < merged.rows; i++) {
    for (let j = 0; j < merged.columns; j++) {
      if (Math.floor(i / k) !== Math.floor(j / k)) merged.set(i, j, 0)
    }
  }
  return asVector(U.mmul(merged).mmul(V.transpose()))
}

function smooth(s: Spectrum['s'], how: string, rho: number): number[] {
  const total = s.reduce((all, value) => all + value, 0)
  if (how === 'none' || total === 0) return [...s]
  if (how === 'average') return s.map(() => total / s.length)
  const ratio = Math.min(rho, s[0]! / Math.max(s.at(-1)!, Number.MIN_VALUE))
  const steps = s.map((_, i) => (s.length === 1 ? 1 : ratio + ((1 - ratio) * i) / (s.length - 1)))
  const sum = steps.reduce((all, value) => all + value, 0)
  return steps.map(step => (step / sum) * total)
}

/** Trim by magnitude, elect the sign of the sum, average what agrees. */
function mergeInside(matrices: readonly Matrix[], density: number): Matrix {
  const trimmed = matrices.map(matrix => {
    const values = matrix.to1DArray()
    const keep = Math.max(1, Math.trunc(density * values.length))
    const threshold = values.map(Math.abs).sort((a, b) => b - a)[keep - 1]!
    return values.map(value => (Math.abs(value) >= threshold ? value : 0))
  })
  const { rows, columns } = matrices[0]!
  const out = Array.from({ length: rows * columns }, (_, i) => {
    const sign = Math.sign(trimmed.reduce((total, values) => total + values[i]!, 0))
    if (sign === 0) return 0
    const agreeing = trimmed.flatMap(values => (Math.sign(values[i]!) === sign ? [values[i]!] : []))
    return agreeing.reduce((total, value) => total + value, 0) / agreeing.length
  })
  return mlMatrix().Matrix.from1DArray(rows, columns, out)
}
