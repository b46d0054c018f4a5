import { expect, it } from 'vitest'
import { populationSizeOf, variationOf } from '../../../src/strategies/evolution/options.ts'

it('sizes the population by the budget: a fiftieth of it, from 20 up, and the most where it is not known', () => {
  expect(populationSizeOf('auto', undefined)).toBe(100)
  expect(populationSizeOf('auto', undefined, 50)).toBe(50)
  expect(populationSizeOf('auto', 300)).toBe(20)
  expect(populationSizeOf('auto', 2250)).toBe(45)
  expect(populationSizeOf('auto', 1e6)).toBe(100)
  expect(populationSizeOf('auto', 1e6, 50)).toBe(50)
  expect(populationSizeOf(7, 1e6)).toBe(7)
})

it('mutates one gene per child on average, at most every second', () => {
  const options = { crossover_probability: 1, crossover_index: 15, mutation_index: 20 }
  expect(variationOf({ ...options, mutation_probability: 'auto' }, 40).mutationProbability).toBe(1 / 40)
  expect(variationOf({ ...options, mutation_probability: 'auto' }, 1).mutationProbability).toBe(0.5)
  expect(variationOf({ ...options, mutation_probability: 0.7 }, 1).mutationProbability).toBe(0.7)
})
