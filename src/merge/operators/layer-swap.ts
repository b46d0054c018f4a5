import type { MergeOperator, Settings } from './operator.ts'
import { combination } from './vectors.ts'

/**
 * L. Bandarkar et al., "Layer swapping for zero-shot cross-lingual transfer in large language models", ICLR 2025, section 3: the outer blocks and everything
 * outside the blocks come from the first model (the language expert), the middle from the second (the skill expert), with averaged blocks between.
 */
export const layerSwap: MergeOperator = {
  name: 'layer_swap',
  title: 'Layer swapping',
  reference: { text: 'Bandarkar et al. 2025, Layer swapping', url: 'https://arxiv.org/abs/2410.01335' },
  base: 'none',
  models: [2, 2],
  cost: 'linear',
  span: 'element',
  parameters: [
    share('bottom', 'Share of the depth, from the first block on, that the first model gives.', 0.2),
    share('top', 'Share of the depth, up to the last block, that the first model gives.', 0.2),
    share('transition', 'Share of the depth, on each side of the middle, where the two are averaged.', 0.1),
  ],
  coefficients: [],
  candidate: { kind: 'sources', coefficients: shares },
  merge: input => combination(shares(input, input.depth), input.models),
}

function shares({ parameters }: Settings, depth: number | undefined): readonly [first: number, second: number] {
  const [bottom, top, width] = [Number(parameters.bottom), Number(parameters.top), Number(parameters.transition)]
  if (depth === undefined || depth < bottom || depth > 1 - top) return [1, 0]
  const inside = Math.min(depth - bottom, 1 - top - depth)
  return inside < width ? [0.5, 0.5] : [0, 1]
}

function share(name: string, description: string, value: number) {
  return { kind: 'number', name, description, default: value, bounds: [0, 1], searchRange: [0, 0.5] } as const
}
