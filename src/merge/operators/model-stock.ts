import type { Gram, MergeOperator, Settings } from './operator.ts'
import { combination, dot, taskVectors } from './vectors.ts'

/**
 * D.-H. Jang et al., "Model Stock: all we need is just a few fine-tuned models", ECCV 2024, equations 3 to 5: t = N cos θ / (1 + (N − 1) cos θ) between the
 * mean of the models and the base, θ the mean angle between task vectors.
 */
export const modelStock: MergeOperator = {
  name: 'model_stock',
  title: 'Model Stock',
  reference: { text: 'Jang et al. 2024, Model Stock', url: 'https://arxiv.org/abs/2403.19522' },
  base: 'required',
  models: [2, Number.POSITIVE_INFINITY],
  cost: 'gram',
  span: 'tensor',
  parameters: [
    {
      kind: 'boolean',
      name: 'filter_wise',
      description: 'An angle for each row along the last dimension.',
      default: false,
    },
    {
      kind: 'boolean',
      name: 'clamp',
      description: 'Keep t in [0, 1], where task vectors that point apart would push it out.',
      default: false,
    },
  ],
  coefficients: [],
  candidate: {
    kind: 'gram',
    of: () => 'task-vectors',
    along: ({ parameters }, shape) => (parameters.filter_wise === true && shape.length > 1 ? 'last' : 'tensor'),
    // t mean(x) + (1 − t) W0 = W0 + t mean(τ)
    coefficients: (gram, { parameters }) => {
      const t = clamped(ratioIn(gram), parameters)
      return Array.from({ length: gram.size }, () => t / gram.size)
    },
  },
  merge({ base, models, shape, parameters }) {
    const taus = taskVectors(models, base!)
    const row = parameters.filter_wise === true && shape.length > 1 ? shape.at(-1)! : base!.length
    const mean = combination(
      models.map(() => 1 / models.length),
      models,
    )
    const out = new Float64Array(base!.length)
    for (let start = 0; start < out.length; start += row) {
      const t = clamped(ratio(taus.map(tau => tau.subarray(start, start + row))), parameters)
      for (let i = start; i < start + row; i++) out[i] = t * mean[i]! + (1 - t) * base![i]!
    }
    return out
  },
}

function clamped(t: number, parameters: Settings['parameters']): number {
  return parameters.clamp === true ? Math.min(1, Math.max(0, t)) : t
}

function ratio(taus: readonly Float64Array[]): number {
  return ratioIn({ size: taus.length, at: (i, j) => dot(taus[i]!, taus[j]!) })
}

function ratioIn(gram: Gram): number {
  const N = gram.size
  let total = 0
  for (let i = 0; i < N; i++) {
    for (let j = i + 1; j < N; j++) {
      const floor = Math.max(Math.sqrt(gram.at(i, i)) * Math.sqrt(gram.at(j, j)), 1e-6)
      total += Math.min(1, Math.max(-1, gram.at(i, j) / floor))
    }
  }
  const cosine = total / ((N * (N - 1)) / 2)
  return (N * cosine) / (1 + (N - 1) * cosine)
}
