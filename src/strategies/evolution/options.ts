import { z } from 'zod'
import type { Variation } from './variation.ts'

/** Options that strategies with crossover and mutation share, with each one's own defaults. */
export function variationOptions(defaults: { readonly crossoverProbability: number; readonly crossoverIndex: number }) {
  return {
    crossover_probability: z
      .number()
      .min(0)
      .max(1)
      .default(defaults.crossoverProbability)
      .describe('Share of pairs of parents that cross over; the others are only mutated.'),
    crossover_index: z
      .number()
      .positive()
      .max(1000)
      .default(defaults.crossoverIndex)
      .describe('How close children stay to their parents in crossover: larger is closer.'),
    mutation_probability: z
      .union([z.literal('auto'), z.number().min(0).max(1)])
      .default('auto')
      .describe('Share of genes that mutate; "auto" is one gene per child on average.'),
    mutation_index: z
      .number()
      .positive()
      .max(1000)
      .default(20)
      .describe('How small the steps of mutation are: larger is smaller.'),
  }
}

interface VariationOptions {
  readonly crossover_probability: number
  readonly crossover_index: number
  readonly mutation_probability: 'auto' | number
  readonly mutation_index: number
}

export function variationOf(options: VariationOptions, d: number): Variation {
  const { mutation_probability: probability } = options
  return {
    crossoverProbability: options.crossover_probability,
    crossoverIndex: options.crossover_index,
    mutationProbability: probability === 'auto' ? Math.min(0.5, 1 / d) : probability,
    mutationIndex: options.mutation_index,
  }
}
