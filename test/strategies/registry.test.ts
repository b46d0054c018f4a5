import { describe, expect, it } from 'vitest'
import { ConfigError } from '../../src/errors.ts'
import { STRATEGY_DESCRIPTIONS, strategyDescription } from '../../src/strategies/descriptions.ts'
import { STRATEGIES, strategyDefinition } from '../../src/strategies/registry.ts'

describe('strategyDefinition', () => {
  it('finds every strategy under its own kind', () => {
    expect(Object.keys(STRATEGIES)).toEqual(expect.arrayContaining(['cma-es', 'random', 'sobol']))
    for (const [kind, definition] of Object.entries(STRATEGIES)) {
      expect(definition.kind).toBe(kind)
      expect(strategyDefinition(kind)).toBe(definition)
    }
  })

  it('says of every strategy what its description says', () => {
    expect(Object.keys(STRATEGY_DESCRIPTIONS)).toEqual(Object.keys(STRATEGIES))
    for (const [kind, description] of Object.entries(STRATEGY_DESCRIPTIONS)) {
      expect(description.kind).toBe(kind)
      expect(strategyDescription(kind)).toBe(description)
      expect(STRATEGIES[kind]).toMatchObject({ ...description })
      expect(STRATEGIES[kind]?.options).toBe(description.options)
    }
  })

  it('guesses what an unknown kind was meant to be, or lists what there is', () => {
    const hint = (kind: string): string | undefined => {
      try {
        strategyDefinition(kind)
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError)
        if (error instanceof ConfigError) return `${error.message} ${error.hint}`
      }
      return undefined
    }
    expect(hint('cmaes')).toBe('Unknown strategy "cmaes". Did you mean "cma-es"?')
    expect(hint('simulated-annealing')).toBe(
      `Unknown strategy "simulated-annealing". Use one of: ${Object.keys(STRATEGIES).join(', ')}.`,
    )
    expect(hint('toString')).toContain('Unknown strategy "toString".')
  })
})
