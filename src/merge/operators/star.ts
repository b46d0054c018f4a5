import { weight } from './common-parameters.ts'
import type { MergeOperator, TensorInput } from './operator.ts'
import { preparedSum } from './prepared-sum.ts'
import { asMatrix, asVector, compose, decompose, isSpectral, leading } from './spectral.ts'
import { taskVectors } from './vectors.ts'

/**
 * Y.-A. Lee et al., "STAR: spectral truncation and rescale for model merging", NAACL 2025, section 3: each task keeps the singular values up to a share η
 * of their sum, scaled to the old sum, and the tasks are averaged.
 */
export const star: MergeOperator = {
  name: 'star',
  title: 'Spectral truncation and rescale',
  reference: { text: 'Lee et al. 2025, STAR', url: 'https://arxiv.org/abs/2502.10339' },
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'prepared',
  span: 'tensor',
  parameters: [
    {
      kind: 'number',
      name: 'eta',
      description: 'Percent of the sum of singular values that is kept.',
      default: 40,
      bounds: [0, 100],
      searchRange: [10, 90],
    },
    {
      kind: 'number',
      name: 'lambda',
      description: 'Scale of the mean of the truncated task vectors.',
      default: 1,
      searchRange: [0, 2],
    },
  ],
  coefficients: [weight],
  ...preparedSum({
    structure: ({ parameters }) => parameters.eta,
    bases: truncated,
    coefficients: ({ coefficients, parameters }) =>
      coefficients.weight!.map((w, _, { length }) => (Number(parameters.lambda) * w) / length),
  }),
}

function truncated(input: TensorInput): Float64Array[] {
  const { base, models, shape, parameters } = input
  const taus = taskVectors(models, base!)
  if (!isSpectral(input)) return taus
  return taus.map(tau => {
    const spectrum = decompose(asMatrix(tau, shape))
    const total = spectrum.s.reduce((all, value) => all + value, 0)
    if (total === 0) return tau
    let kept = 0
    let k = 0
    for (const target = (Number(parameters.eta) / 100) * total; kept < target && k < spectrum.s.length; k++) {
      kept += spectrum.s[k]!
    }
    // The first index whose running sum reaches the target, and one: at least one component.
    const part = leading(spectrum, Math.max(1, k))
    const sumKept = part.s.reduce((all, value) => all + value, 0)
    return asVector(compose({ ...part, s: part.s.map(value => (value * total) / sumKept) }))
  })
}
