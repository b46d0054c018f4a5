import { MergeError } from '../errors.ts'
import type { MergeMethod } from './method.ts'
import { kernelTerms } from './terms.ts'

/**
 * Weighted average of the models themselves: out = Σ w_j x_j, divided by Σ w_j when normalized.
 *
 * M. Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing
 * inference time", ICML 2022, equation of the uniform soup in section 2, with weights; parameter names and defaults are mergekit's.
 */
export const linear: MergeMethod = {
  name: 'linear',
  title: 'Weighted average',
  reference: { text: 'Wortsman et al. 2022, Model soups', url: 'https://arxiv.org/abs/2203.05482' },
  needsBase: false,
  parameters: [
    { kind: 'boolean', name: 'normalize', description: 'Divide the weights of a group by their sum.', default: true },
  ],
  coefficients: [
    { kind: 'number', name: 'weight', description: 'Share of the model in the average.', searchRange: [0, 1] },
  ],

  plan({ sources, coefficients, parameters, where }) {
    const weights = coefficients.weight!
    const sum = weights.reduce((total, w) => total + w, 0)
    if (parameters.normalize && Math.abs(sum) <= CANCELLED * weights.reduce((total, w) => total + Math.abs(w), 0)) {
      throw new MergeError(`The weights of ${where} add up to ${sum}, and linear divides by their sum.`, {
        hint: 'Change the weights, or set normalize to false.',
      })
    }
    const divisor = parameters.normalize ? sum : 1
    const terms = kernelTerms(
      sources,
      weights.map(w => w / divisor),
      where,
    )
    // All weights zero, not normalized: zero times any of them.
    return {
      kernel: 'linear',
      base: undefined,
      terms: terms.length > 0 ? terms : [{ source: sources[0]!, coefficient: 0 }],
    }
  },
}

/** Weights that cancel to this fraction of their size leave nothing but rounding errors to divide by. */
const CANCELLED = 1e-8
