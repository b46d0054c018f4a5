import type { Domain } from '../../candidate.ts'
import type { StrategyContext } from '../strategy.ts'
import { type Breeding, type Crossover, GenomeBreeding } from './genome-breeding.ts'
import { PieceBreeding } from './piece-breeding.ts'

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
