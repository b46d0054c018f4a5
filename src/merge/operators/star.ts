import { weight } from './common-parameters.ts'
import type { MergeOperator } from './operator.ts'
import { addMean, asMatrix, asVector, compose, decompose, isSpectral, leading } from './spectral.ts'
import { combination, sum, taskVectors } from './vectors.ts'

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
  merge(input) {
    const { base, models, shape, coefficients, parameters } = input
    const lambda = Number(parameters.lambda)
    const taus = taskVectors(models, base!)
    const weights = coefficients.weight!
    if (!isSpectral(input)) {
      return addMean(
        base!,
        taus.map((tau, m) => tau.map(value => weights[m]! * value)),
        lambda,
      )
    }
    const truncated = taus.map(tau => {
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
    return sum(
      base!,
      combination(
        weights.map(w => (lambda * w) / models.length),
        truncated,
      ),
    )
  },
}
