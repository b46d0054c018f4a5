import { describe, expect, it } from 'vitest'
import type { Evaluation } from '../../src/candidate.ts'
import { collectFacts } from '../../src/report/facts.ts'
import { renderHtml } from '../../src/report/html.ts'
import { frontJson } from '../../src/report/json.ts'
import { renderMarkdown } from '../../src/report/markdown.ts'
import { contenderNote } from '../../src/report/summary.ts'
import { renderWinner } from '../../src/report/text-winner.ts'
import { createRng } from '../../src/rng.ts'
import type { Recipe } from '../../src/space/recipe.ts'
import { accuracy, fakeRun, scored, timing } from './fake-run.ts'

const recipe: Recipe = {
  kind: 'parameter-merge',
  method: 'linear',
  base: undefined,
  sources: ['a', 'b'],
  parameters: {},
  groups: [{ layers: 'all', coefficients: { a: { weight: 0.5 }, b: { weight: 0.5 } } }],
}

/** A front whose candidates answered `select` as given; number 0 is the winner. */
function runOf(onSelect: readonly (Evaluation | undefined)[]) {
  const n = onSelect.length
  const ones = (count: number) => Array.from({ length: 40 }, (_, e) => Number(e < count))
  const winner = scored([ones(30), ones(30)])
  return fakeRun({
    objectives: [accuracy('a'), accuracy('b')],
    geneNames: ['g'],
    candidates: onSelect.map((_, id) => ({ id, genome: Float64Array.of(id), parents: [], memo: null })),
    evaluations: onSelect.map((_, id) => scored([ones(5 + id), ones(5 + n - id)])), // nobody dominates anybody
    assessments: [
      ...onSelect.flatMap((evaluation, id) =>
        evaluation === undefined ? [] : [{ subject: `candidate:${id}`, split: 'select' as const, recipe, evaluation }],
      ),
      { subject: 'candidate:0', split: 'holdout', recipe, evaluation: winner },
    ],
    facts: { winner: { id: 0, rule: 'best on select' } },
  })
}

/** 200 answers to each of two objectives, right with chance `p`. */
function answers(p: number, seed: number): Evaluation {
  const rng = createRng(seed)
  return scored([0, 1].map(() => Array.from({ length: 200 }, () => Number(rng.uniform() < p))))
}

const failed: Evaluation = { status: 'failed', kind: 'timeout', reason: 'took long', timing }

describe('the other members of the front on select', () => {
  it('are told from the winner or not, and every rendering says which', () => {
    const facts = collectFacts(
      runOf([answers(0.9, 1), answers(0.2, 2), answers(0.88, 3), answers(0.89, 4), failed, undefined]),
    )
    const { contenders } = facts
    expect(contenders).toMatchObject({ others: 4, failed: [4] })
    if (contenders === undefined || 'reason' in contenders.behind) throw new Error('no intervals')
    const level = contenders.behind.filter(({ isLevel }) => isLevel).map(({ id }) => id)
    expect(level.toSorted()).toEqual([2, 3])
    expect(contenders.behind.at(-1)).toMatchObject({ id: 1, isLevel: false })
    for (const { difference, interval } of contenders.behind) {
      expect(interval.low).toBeLessThan(difference)
      expect(interval.high).toBeGreaterThan(difference)
    }
    const note = `On select, 2 of the 3 other members of the front cannot be told from it: ${level.join(' and ')} (simultaneous 95 % intervals). 1 other member failed on select.`
    expect(contenderNote(facts)).toBe(note)
    expect(renderWinner(facts, { width: 400 })).toContain(note)
    expect(renderMarkdown(facts)).toContain('cannot be told from it')
    expect(renderHtml(facts)).toContain(note)
    expect(renderHtml(facts)).toContain('How far behind the winner they are')
    expect(frontJson(facts).contenders).toEqual(contenders)
  })

  it('are counted beyond a dozen', () => {
    const many = Array.from({ length: 20 }, (_, k) => answers(0.8, 100 + k))
    const note = contenderNote(collectFacts(runOf(many)))!
    expect(note).toMatch(
      /^On select, 19 of the 19 other members of the front cannot be told from it: (\d+, ){11}\d+ and 7 more \(/,
    )
  })

  it('are said to be told from it when they all are', () => {
    expect(contenderNote(collectFacts(runOf([answers(0.95, 1), answers(0.2, 2)])))).toBe(
      'On select, the other member of the front is told from it (simultaneous 95 % intervals).',
    )
  })

  it('remain unknown without scores per example, and the report says why', () => {
    const bare: Evaluation = { status: 'scored', values: [0.8, 0.8], timing }
    const facts = collectFacts(runOf([bare, bare]))
    const note =
      'Whether the other member of the front can be told from it on select is not known: no score per example is recorded for "a".'
    expect(contenderNote(facts)).toBe(note)
    expect(renderHtml(facts)).not.toContain('How far behind')
    expect(frontJson(facts).contenders).toMatchObject({
      behind: { reason: 'no score per example is recorded for "a"' },
    })
  })

  it('need somebody else who was scored there', () => {
    for (const run of [
      runOf([answers(0.9, 1)]),
      runOf([answers(0.9, 1), undefined]),
      runOf([failed, answers(0.9, 1)]),
    ]) {
      const facts = collectFacts(run)
      expect(facts.contenders).toBeUndefined()
      expect(contenderNote(facts)).toBeUndefined()
      expect(frontJson(facts).contenders).toBeNull()
    }
    expect(contenderNote(collectFacts(runOf([answers(0.9, 1), failed])))).toBe('1 other member failed on select.')
  })
})
