import type { MergeMethod } from './method.ts'
import { kernelTerms } from './terms.ts'

/**
 * The base plus scaled task vectors: out = W0 + λ Σ w_j τ_j with τ_j = x_j − W0, the sum divided by Σ w_j when normalized.
 *
 * G. Ilharco et al., "Editing models with task arithmetic", ICLR 2023, section 2: τ and the learning via addition; parameter names and
 * defaults are mergekit's.
 */
export const taskArithmetic: MergeMethod = {
  name: 'task_arithmetic',
  title: 'Task arithmetic',
  reference: {
    text: 'Ilharco et al. 2023, Editing models with task arithmetic',
    url: 'https://arxiv.org/abs/2212.04089',
  },
  needsBase: true,
  parameters: [
    { kind: 'boolean', name: 'normalize', description: 'Divide the weights of a group by their sum.', default: false },
    {
      kind: 'number',
      name: 'lambda',
      description: 'Scale of the sum of all task vectors.',
      default: 1,
      searchRange: [0, 1.5],
    },
  ],
  coefficients: [
    { kind: 'number', name: 'weight', description: 'Scale of the task vector of the model.', searchRange: [0, 1] },
  ],

  plan({ base, sources, coefficients, parameters, where }) {
    const weights = coefficients.weight!
    const sum = weights.reduce((total, w) => total + w, 0)
    // mergekit's guard: a sum this small divides by one.
    const divisor = parameters.normalize && Math.abs(sum) >= 1e-8 ? sum : 1
    const lambda = Number(parameters.lambda)
    const terms = kernelTerms(
      sources,
      weights.map(w => (lambda * w) / divisor),
      where,
    )
    // Nothing is added: one times the base, which is exact.
    if (terms.length === 0) return { kernel: 'linear', base: undefined, terms: [{ source: base!, coefficient: 1 }] }
    return { kernel: 'task-arithmetic', base, terms }
  },
}
