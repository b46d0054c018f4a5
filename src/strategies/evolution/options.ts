import { z } from 'zod'
import type { Variation } from './variation.ts'

/** Bounds of the automatic population size, and the generations it leaves room for. */
const AUTO = { least: 20, most: 100, generations: 50 }

/**
 * 100 is the published size. A small budget gets a smaller population: with fewer than fifty generations evolution is hardly more than
 * the sample that it started from.
 * @param most what a strategy has instead of 100, in words.
 */
export function populationSizeOption(most = `${AUTO.most}`) {
  return z
    .union([z.literal('auto'), z.number().int().min(2).max(10_000)])
    .default('auto')
    .describe(
      `Members of the population; "auto" is a ${AUTO.generations}th of the budget, at least ${AUTO.least} and at most ${most}, ` +
        'which it also is where no budget is known.',
    )
}

export function populationSizeOf(option: 'auto' | number, budget: number | undefined, most = AUTO.most): number {
  if (option !== 'auto') return option
  return Math.max(AUTO.least, Math.min(most, Math.floor((budget ?? Infinity) / AUTO.generations)))
}

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
