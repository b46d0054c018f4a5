import { describe, expect, it } from 'vitest'
import type { Gene } from '../../src/candidate.ts'
import { createRng } from '../../src/rng.ts'
import { conditionsOf } from '../../src/strategies/activity.ts'
import { fromUnitCube, resetInactive } from '../../src/strategies/unit-cube.ts'

const choice = (name: string, activeWhen?: Gene['activeWhen']): Gene => ({
  kind: 'categorical',
  name,
  choices: ['a', 'b', 'c'],
  initial: 0,
  ...(activeWhen === undefined ? {} : { activeWhen }),
})

/** Declared child before parent, and a chain of three. */
const genes: readonly Gene[] = [
  choice('grandchild', { gene: 'child', oneOf: [2] }),
  choice('child', { gene: 'parent', oneOf: [1, 2] }),
  choice('parent'),
  choice('stray', { gene: 'no such gene', oneOf: [0] }),
]
const domain = { genes, initial: new Float64Array(4) }

describe('the activity of genes', () => {
  const conditions = conditionsOf(domain)

  it('follows chains of conditions, whatever the order of declaration', () => {
    expect([...conditions.activity([2, 2, 1, 0])]).toEqual([1, 1, 1, 1])
    expect([...conditions.activity([2, 1, 1, 0])]).toEqual([0, 1, 1, 1])
    expect([...conditions.activity([2, 2, 0, 0])]).toEqual([0, 0, 1, 1])
  })

  it('lists parents before the genes that depend on them', () => {
    expect(conditions.order.indexOf(2)).toBeLessThan(conditions.order.indexOf(1))
    expect(conditions.order.indexOf(1)).toBeLessThan(conditions.order.indexOf(0))
    expect([...conditions.order].sort()).toEqual([0, 1, 2, 3])
  })

  it('is the one that decides which genes are reset to their start', () => {
    const rng = createRng(1)
    for (let i = 0; i < 50; i++) {
      const genome = fromUnitCube(
        domain,
        genes.map(() => rng.uniform()),
      )
      const activity = conditions.activity(genome)
      const reset = resetInactive(domain, genome.slice())
      expect([...reset]).toEqual([...genome].map((value, k) => (activity[k] === 1 ? value : 0)))
    }
  })

  it('is known to be complete without conditions', () => {
    expect(conditions.any).toBe(true)
    expect(conditionsOf({ genes: [choice('x')], initial: new Float64Array(1) }).any).toBe(false)
  })
})
