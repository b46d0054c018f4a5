import { type BankLayout, padded, type WeightTensor } from '../layout.ts'
import { chanceSumsBytes } from './chance-sums.ts'
import { importanceBytes } from './importance.ts'
import { SORTED_UP_TO } from './order-statistics.ts'
import { rankingBytes } from './ranking.ts'

/** What a search keeps beside the weights, by what its method reads besides: bytes, once per machine, when all of it is there. */
export interface PreparedEstimate {
  /** By rank of magnitude, as `ties` and `breadcrumbs`: positions in order and sums. */
  readonly byMagnitude: number
  /** By chance, as `dare_linear` and `dare_ties`: random numbers and sums. */
  readonly byChance: number
  /** By chance that depends on the rank in a row, as `della`: random numbers and ranks. */
  readonly byRowRank: number
  /** Fisher information of one model, as `fisher`, where models come with it. */
  readonly fisherPerModel: number
  /** The most that any method may keep: the arenas. */
  readonly limit: number
}

/**
 * @param tensors that all models have
 * @param models without the base
 */
export function estimatePrepared(
  tensors: readonly WeightTensor[],
  models: number,
  { stretches, arenas }: BankLayout,
): PreparedEstimate {
  const limit = arenas.reduce((sum, { bytes }) => sum + bytes, 0)
  const each = (bytes: (tensor: WeightTensor, isWhole: boolean) => number): number => {
    const sum = tensors.reduce((total, tensor, t) => total + bytes(tensor, stretches[t]!.length === 1), 0)
    return Math.min(limit, sum * models)
  }
  return {
    byMagnitude: each(({ elements }, isWhole) => (isWhole && elements > SORTED_UP_TO ? rankingBytes(elements) : 0)),
    byChance: each(({ elements }, isWhole) => padded(elements) * 2 + (isWhole ? chanceSumsBytes(elements) : 0)),
    byRowRank: each(({ elements }) => padded(elements) * 4),
    fisherPerModel: tensors.reduce((total, { elements }) => total + importanceBytes(elements, 1), 0),
    limit,
  }
}
