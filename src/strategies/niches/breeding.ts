import { z } from 'zod'
import type { Domain } from '../../candidate.ts'
import type { StrategyContext } from '../strategy.ts'
import { type Breeding, type Crossover, GenomeBreeding } from './genome-breeding.ts'
import { PieceBreeding } from './piece-breeding.ts'

/** Options that the strategies of this folder share. */
export const mutationOption = z
  .union([z.literal('auto'), z.number().min(0).max(1)])
  .default('auto')
  .describe(
    'Largest standard deviation of a child’s mutation, in shares of each gene’s range; 0: children lie between their parents. "auto": 0 where ' +
      'pieces of models are combined, 0.1 elsewhere.',
  )

export const sampleOption = z
  .union([z.literal('auto'), z.number().int().min(0)])
  .default('auto')
  .describe(
    'Space-filling candidates before the first child. "auto": none where pieces of models are combined; elsewhere a tenth of the budget, ' +
      'at least 4 and at most 50.',
  )

export function breedingFor(domain: Domain, crossover: Crossover, mutation: number | 'auto'): Breeding {
  const { pieces } = domain
  if (pieces !== undefined) return new PieceBreeding(domain, pieces, crossover, mutation === 'auto' ? 0 : mutation)
  return new GenomeBreeding(domain, crossover, mutation === 'auto' ? 0.1 : mutation)
}

export function sampleSize({ domain, budget }: StrategyContext, sample: number | 'auto'): number {
  if (sample !== 'auto') return sample
  if (domain.pieces !== undefined) return 0
  return budget === undefined ? 20 : Math.min(50, Math.max(4, Math.round(budget / 10)))
}
