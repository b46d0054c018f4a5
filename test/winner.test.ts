import { describe, expect, it } from 'vitest'
import type { Evaluation } from '../src/candidate.ts'
import type { Objective } from '../src/objective.ts'
import { scalarize } from '../src/scalarization.ts'
import { namingRule, pooledLoss, searchShares } from '../src/winner.ts'
import { failed, scored, TWO_OBJECTIVES } from './helpers/trials.ts'

const ACCURACY = TWO_OBJECTIVES[0]!
const SIZE: Objective = { name: 'bytes', direction: 'minimize', unit: 'bytes', reference: 100, isExact: true }

const seen = (value: number, n: number): { value: number; scores: Float32Array } => ({
  value,
  scores: Float32Array.from({ length: n }, (_, e) => Number(e < value * n)),
})

describe('the shares of search', () => {
  it('are by numbers of examples, and nothing where one of them is not known', () => {
    expect(searchShares([30, 0, 10, 0], [10, 5, 0, 0])).toEqual([0.75, 0, 0, 0])
    expect(searchShares([30], [])).toEqual([0])
  })
})

describe('the pooled loss', () => {
  it('is that of all examples of both splits as one', () => {
    const [a, b] = [seen(0.5, 30), seen(0.75, 20)]
    const all = [...a.scores, ...b.scores]
    const together = all.reduce((sum, x) => sum + x, 0) / all.length
    const loss = pooledLoss(
      { search: scored([a.value], [a.scores]), select: scored([b.value], [b.scores]) },
      searchShares([30], [20]),
      [ACCURACY],
      'worst',
    )
    expect(loss).toBeCloseTo(-together, 12)
  })

  it('pools each objective by itself, before they become one number', () => {
    const [first, second] = [ACCURACY, { ...ACCURACY, name: 'other' }]
    const objectives = [first, second]
    // The worst objective of each split is another one; that of both together is level.
    const both = { search: scored([0.9, 0.5]), select: scored([0.5, 0.9]) }
    for (const kind of ['worst', 'mean'] as const)
      expect(pooledLoss(both, [0.5, 0.5], objectives, kind)).toBeCloseTo(scalarize(kind, [-0.7, -0.7], objectives), 12)
  })

  it('takes what is minimised as it is, and select alone where the share is nothing', () => {
    const perplexity: Objective = { name: 'perplexity', direction: 'minimize', unit: 'perplexity', reference: 100 }
    const both = { search: scored([10]), select: scored([20]) }
    expect(pooledLoss(both, [0.75], [perplexity], 'worst')).toBe(12.5)
    expect(pooledLoss(both, [0], [perplexity], 'worst')).toBe(20)
    expect(pooledLoss(both, [], [perplexity], 'worst')).toBe(20)
  })

  it('leaves a value that is the same on both splits as it is, to the last digit', () => {
    const bytes = 123_456_789.1
    for (const share of [0, 1 / 3, 0.7])
      expect(pooledLoss({ search: scored([bytes]), select: scored([bytes]) }, [share], [SIZE], 'worst')).toBe(bytes)
  })

  it('is infinite where a score is missing or covers some of the examples only', () => {
    const whole = scored([0.9])
    const part: Evaluation = {
      ...(whole as Extract<Evaluation, { status: 'scored' }>),
      partial: { of: [100], standardErrors: [0.1], stopped: 'outranked' },
    }
    const broken = failed('non-finite', 'NaN')
    for (const [search, select] of [
      [whole, broken],
      [broken, whole],
      [part, whole],
      [whole, part],
    ] as const)
      expect(pooledLoss({ search, select }, [0.5], [ACCURACY], 'worst')).toBe(Infinity)
  })
})

describe('the rule in words', () => {
  it('says which examples decided', () => {
    expect(namingRule([0.6], [ACCURACY], 'worst', 3)).toBe(
      `best ${ACCURACY.name} on search and select together among 3 non-dominated`,
    )
    expect(namingRule([0, 0.6], TWO_OBJECTIVES, 'mean', 3)).toBe(
      'smallest mean of normalised losses on search and select together among 3 non-dominated',
    )
    expect(namingRule([0, 0], TWO_OBJECTIVES, 'worst', 2)).toBe(
      'smallest worst normalised loss (augmented Tchebycheff) on select among 2 non-dominated',
    )
  })
})
