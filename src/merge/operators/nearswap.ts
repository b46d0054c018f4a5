import type { MergeOperator } from './operator.ts'
import { whole } from './whole.ts'

/**
 * Moves the base to the other model where they are near: out = ω x + (1 − ω) W0 with ω = min(t / |x − W0|, 1), so no element moves by more
 * than t. mergekit's method of that name, after A. Gottwald's "NearSwap".
 */
export const nearswap: MergeOperator = {
  name: 'nearswap',
  title: 'NearSwap',
  reference: {
    text: 'mergekit, method nearswap',
    url: 'https://github.com/arcee-ai/mergekit/blob/main/docs/merge_methods.md',
  },
  base: 'required',
  models: [1, 1],
  cost: 'pass',
  span: 'element',
  parameters: [
    {
      kind: 'number',
      name: 't',
      description: 'Largest change of an element; below 0 there is none.',
      searchRange: [0, 0.01],
    },
  ],
  coefficients: [],
  candidate: {
    kind: 'pass',
    pass: ({ parameters }) => ({ terms: [whole(1)], mix: { kind: 'limit', limit: Number(parameters.t) } }),
  },
  merge({ base, models, parameters }) {
    const t = Number(parameters.t)
    const x = models[0]!
    return base!.map((b, i) => {
      const omega = Math.min(1, Math.max(0, t / Math.max(Math.abs(x[i]! - b), 1e-6)))
      return omega * x[i]! + (1 - omega) * b
    })
  },
}
