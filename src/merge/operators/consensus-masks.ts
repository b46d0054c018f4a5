import { weight } from './common-parameters.ts'
import type { MergeOperator } from './operator.ts'
import { combination, taskVectors } from './vectors.ts'
import { whole } from './whole.ts'

/**
 * K. Wang et al., "Localizing task information for improved model merging and compression", ICML 2024, section 4 (TALL-masks and Consensus
 * merging): an element matters to a task where |τ_m| > λ |Δ − τ_m| with Δ = Σ τ; elements that matter to fewer than k tasks are
 * dropped from Δ.
 */
export const consensus: MergeOperator = {
  name: 'consensus',
  title: 'Consensus merging by TALL-masks',
  reference: { text: 'Wang et al. 2024, Localizing task information', url: 'https://arxiv.org/abs/2405.07813' },
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'pass',
  span: 'element',
  parameters: [
    {
      kind: 'number',
      name: 'alpha',
      description: 'Scale of what is left of the summed task vectors.',
      default: 0.3,
      searchRange: [0.1, 1.5],
    },
    {
      kind: 'number',
      name: 'k',
      description: 'To how many tasks an element must matter; 2 drops what only one task wants.',
      default: 2,
      bounds: [0, 256],
      searchRange: [1, 3],
      integer: true,
    },
  ],
  coefficients: [
    weight,
    {
      kind: 'number',
      name: 'mask_lambda',
      description: 'How large a task’s change must be, relative to that of all the others.',
      default: 0.4,
      bounds: [0, Number.MAX_VALUE],
      searchRange: [0.2, 0.6],
    },
  ],
  candidate: {
    kind: 'pass',
    pass: ({ parameters, coefficients }) => ({
      terms: coefficients.weight!.map(whole),
      mix: {
        kind: 'consensus',
        alpha: Number(parameters.alpha),
        tasks: Number(parameters.k),
        lambdas: coefficients.mask_lambda!,
      },
    }),
  },
  merge({ base, models, parameters, coefficients }) {
    const [alpha, k] = [Number(parameters.alpha), Number(parameters.k)]
    const weights = coefficients.weight!
    const taus = taskVectors(models, base!)
    const total = combination(weights, taus)
    return base!.map((b, i) => {
      let tasks = 0
      for (const [m, tau] of taus.entries()) {
        const own = weights[m]! * tau[i]!
        if (Math.abs(own) > coefficients.mask_lambda![m]! * Math.abs(total[i]! - own)) tasks++
      }
      return tasks >= k ? b + alpha * total[i]! : b
    })
  },
}
