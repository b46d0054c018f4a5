import { MergeError, show } from '../../errors.ts'
import { weight } from './common-parameters.ts'
import type { MergeOperator, TensorInput } from './operator.ts'
import { smallestFirst } from './order.ts'
import { preparedSum } from './prepared-sum.ts'
import { taskVectors } from './vectors.ts'
import { independentWindows } from './windows.ts'

/**
 * Z. Yang et al., "CABS: conflict-aware and balanced sparsification for enhancing model merging", ICML 2025: one model after another takes, in every block of m
 * consecutive elements, its n largest among those nobody has taken. The order of the models matters.
 */
export const cabs: MergeOperator = {
  name: 'cabs',
  title: 'Conflict-aware and balanced sparsification',
  reference: { text: 'Yang et al. 2025, CABS', url: 'https://arxiv.org/abs/2503.01874' },
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'prepared',
  span: 'tensor',
  parameters: [
    {
      kind: 'number',
      name: 'n',
      description: 'Elements a model takes of each block.',
      default: 64,
      bounds: [1, 1 << 20],
      searchRange: [16, 128],
      integer: true,
    },
    {
      kind: 'number',
      name: 'm',
      description: 'Elements of a block; an incomplete last block is left to the base.',
      default: 256,
      bounds: [1, 1 << 20],
      searchRange: [256, 256],
      integer: true,
    },
  ],
  coefficients: [
    weight,
    {
      kind: 'number',
      name: 'order',
      description:
        'Models take their elements in ascending order of this number; equal ones in the order of the recipe.',
      default: 0,
      searchRange: [0, 1],
    },
  ],
  // An incomplete block is the last of a window only where it is the last of the tensor.
  windows: tensor => independentWindows(cabs, tensor, Number(tensor.parameters.m)),
  ...preparedSum({
    structure: ({ parameters, coefficients }) => ({ ...parameters, order: turns(coefficients.order!) }),
    bases: shared,
    coefficients: ({ coefficients }) => coefficients.weight!,
  }),
}

/** Positions of the models in the order in which they take their elements. */
function turns(order: readonly number[]): number[] {
  return order.map((_, i) => i).sort((a, b) => order[a]! - order[b]!)
}

function shared({ name, base, models, parameters, coefficients }: TensorInput): Float64Array[] {
  const [n, m] = [Number(parameters.n), Number(parameters.m)]
  if (n > m) {
    throw new MergeError(`cabs takes n of m elements, and ${show(name)} would have ${n} of ${m} taken.`, {
      hint: 'Make n at most m.',
    })
  }
  const taus = taskVectors(models, base!)
  const taken = new Uint8Array(base!.length)
  const kept = taus.map(tau => new Float64Array(tau.length))
  for (const model of turns(coefficients.order!)) {
    const tau = taus[model]!
    for (let start = 0; start + m <= tau.length; start += m) {
      const block = tau.slice(start, start + m).map((value, k) => (taken[start + k] ? 0 : value))
      for (const k of smallestFirst(block).subarray(m - n)) {
        if (block[k] === 0) continue
        kept[model]![start + k] = block[k]!
        taken[start + k] = 1
      }
    }
  }
  return kept
}
