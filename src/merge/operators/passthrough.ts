import type { MergeOperator } from './operator.ts'

/** One model, scaled: out = scale · x. With slices it stacks layers of several models. mergekit's method. */
export const passthrough: MergeOperator = {
  name: 'passthrough',
  title: 'Passthrough',
  reference: {
    text: 'mergekit, method passthrough',
    url: 'https://github.com/arcee-ai/mergekit/blob/main/docs/merge_methods.md',
  },
  base: 'none',
  models: [1, 1],
  cost: 'linear',
  span: 'element',
  parameters: [],
  coefficients: [
    { kind: 'number', name: 'scale', description: 'Factor of all elements.', default: 1, searchRange: [0.5, 1.5] },
  ],
  candidate: { kind: 'sources', coefficients: ({ coefficients }) => coefficients.scale! },
  merge({ models, coefficients }) {
    const scale = coefficients.scale![0]!
    return scale === 1 ? models[0]! : models[0]!.map(value => scale * value)
  },
}
