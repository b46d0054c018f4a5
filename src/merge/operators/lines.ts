import { weight } from './common-parameters.ts'
import type { MergeOperator, Settings } from './operator.ts'
import { combination, sum, taskVectors } from './vectors.ts'

/**
 * K. Wang et al., "LiNeS: post-training layer scaling prevents forgetting and enhances model merging", ICLR 2025, equation 4: task vectors
 * scaled by α + β · depth, from the first block (0) to the last (1); tensors outside the blocks by α. The paper sets α = 1/M for M models of
 * weight 1 and searches β.
 */
export const lines: MergeOperator = {
  name: 'lines',
  title: 'LiNeS, scaling by depth',
  reference: { text: 'Wang et al. 2025, LiNeS', url: 'https://arxiv.org/abs/2410.17146' },
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'linear',
  span: 'element',
  parameters: [
    { kind: 'number', name: 'alpha', description: 'Scale in the first block.', default: 0.3, searchRange: [0, 1] },
    {
      kind: 'number',
      name: 'beta',
      description: 'What the scale gains from the first block to the last.',
      default: 0.5,
      searchRange: [-0.5, 1.5],
    },
  ],
  coefficients: [weight],
  candidate: { kind: 'sources', coefficients: scales },
  merge: input => sum(input.base!, combination(scales(input, input.depth), taskVectors(input.models, input.base!))),
}

function scales({ parameters, coefficients }: Settings, depth: number | undefined): number[] {
  const scale = Number(parameters.alpha) + Number(parameters.beta) * (depth ?? 0)
  return coefficients.weight!.map(w => scale * w)
}
