import type { Importance, MergeOperator, Settings } from './operator.ts'
import { combination } from './vectors.ts'

/**
 * M. Matena, C. Raffel, "Merging models with Fisher-weighted averaging", NeurIPS 2022, equation 5: every element is averaged with the models'
 * Fisher information as weight, θ = Σ w_m (F_m + δ) θ_m / Σ w_m (F_m + δ). Tensors without it are averaged by weight.
 */
export const fisher: MergeOperator = {
  name: 'fisher',
  title: 'Fisher-weighted average',
  reference: {
    text: 'Matena and Raffel 2022, Merging models with Fisher-weighted averaging',
    url: 'https://arxiv.org/abs/2111.09832',
  },
  base: 'none',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'pass',
  span: 'element',
  needs: 'fisher',
  parameters: [
    {
      kind: 'number',
      name: 'delta',
      description: 'Added to the Fisher information, so that nothing is divided by zero.',
      default: 1e-6,
      bounds: [1e-30, Number.MAX_VALUE],
      searchRange: [1e-10, 1e-4],
    },
  ],
  coefficients: [
    {
      kind: 'number',
      name: 'weight',
      description: 'Share of the model.',
      default: 1,
      bounds: [0, Number.MAX_VALUE],
      searchRange: [0, 1],
    },
  ],
  candidate: { kind: 'importance', importance: importanceOf },
  unmeasured: shares,
  merge(input) {
    const { models, statistics, parameters, coefficients } = input
    if (statistics === undefined) return combination(shares(input), models)
    const weights = coefficients.weight!
    const delta = Number(parameters.delta)
    const mix = new Float64Array(models[0]!.length)
    const share = new Float64Array(mix.length)
    for (const [m, x] of models.entries()) {
      const [F, weight] = [statistics[m]!, weights[m]!]
      for (let i = 0; i < mix.length; i++) {
        const importance = weight * (F[i]! + delta)
        mix[i]! += importance * x[i]!
        share[i]! += importance
      }
    }
    for (let i = 0; i < mix.length; i++) mix[i]! /= share[i]!
    return mix
  },
}

function shares({ coefficients }: Settings): number[] {
  const weights = coefficients.weight!
  const total = weights.reduce((all, w) => all + w, 0)
  return weights.map(w => w / total)
}

/** Below it, and above its inverse: with Fisher information and weights of models in float32, no product or sum leaves float64. */
const RANGE = 2 ** 128

function importanceOf({ parameters, coefficients }: Settings): Importance | undefined {
  const weights = coefficients.weight!
  const delta = Number(parameters.delta)
  const total = weights.reduce((all, w) => all + w, 0)
  const isWithin = delta < RANGE && total < RANGE && Math.max(...weights) > 1 / RANGE
  return isWithin ? { weights, delta } : undefined
}
