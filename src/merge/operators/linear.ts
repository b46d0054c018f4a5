import { MergeError, show } from '../../errors.ts'
import type { MergeOperator } from './operator.ts'
import { combination } from './vectors.ts'

/** Weights that cancel to this fraction of their size leave nothing but rounding errors to divide by. */
const CANCELLED = 1e-8

/** M. Wortsman et al., "Model soups", ICML 2022, section 2, with weights: out = Σ w_m x_m, divided by Σ w_m when normalized. */
export const linear: MergeOperator = {
  name: 'linear',
  title: 'Weighted average',
  reference: { text: 'Wortsman et al. 2022, Model soups', url: 'https://arxiv.org/abs/2203.05482' },
  base: 'none',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'linear',
  span: 'element',
  parameters: [{ kind: 'boolean', name: 'normalize', description: 'Divide by the sum of the weights.', default: true }],
  coefficients: [
    { kind: 'number', name: 'weight', description: 'Share of the model in the average.', searchRange: [0, 1] },
  ],
  merge({ name, models, coefficients, parameters }) {
    const weights = coefficients.weight!
    if (parameters.normalize !== true) return combination(weights, models)
    const total = weights.reduce((sum, w) => sum + w, 0)
    if (Math.abs(total) <= CANCELLED * weights.reduce((sum, w) => sum + Math.abs(w), 0)) {
      throw new MergeError(`The weights for ${show(name)} add up to ${total}, and linear divides by their sum.`, {
        hint: 'Change the weights, or set normalize to false.',
      })
    }
    return combination(weights, models).map(value => value / total)
  },
}
