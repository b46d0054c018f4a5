import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../src/candidate.ts'
import { RunStoreError } from '../../src/errors.ts'
import { encodeFloat64 } from '../../src/numerics/float-codec.ts'
import { coefficientTable, collectCandidate } from '../../src/report/candidate-facts.ts'
import { collectFacts } from '../../src/report/facts.ts'
import { renderHtml } from '../../src/report/html.ts'
import { frontJson } from '../../src/report/json.ts'
import { renderMarkdown } from '../../src/report/markdown.ts'
import { searchNotes } from '../../src/report/summary.ts'
import { renderFront } from '../../src/report/text.ts'
import type { Recipe } from '../../src/space/recipe.ts'
import { encodeTrials } from '../../src/start.ts'
import { thrownBy } from '../helpers/thrown.ts'
import { accuracy, digitsRun, fakeRun, scored, timing } from './fake-run.ts'

const recipe: Recipe = {
  kind: 'parameter-merge',
  method: 'linear',
  base: undefined,
  sources: ['low', 'high'],
  parameters: {},
  groups: [
    { layers: [0, 1], coefficients: { low: { weight: 0.25 }, high: { weight: 0.75 } } },
    { layers: [1, 4], filter: 'mlp', coefficients: { low: { weight: 0.5, density: 0.9 }, high: { weight: 0.5 } } },
    { layers: 'all', coefficients: { low: { weight: 1 }, high: { weight: 0 } } },
  ],
}

function candidate(id: number, parents: readonly number[] = []) {
  return { id, genome: Float64Array.of(id / 10), parents, memo: null }
}

/** Four candidates: 0 and 2 on the front, 1 dominated, 3 failed. */
function smallRun(more: Partial<Parameters<typeof fakeRun>[0]> = {}) {
  return fakeRun({
    objectives: [accuracy('low'), accuracy('high')],
    geneNames: ['all/low/weight'],
    candidates: [candidate(0), candidate(1), candidate(2, [0, 1]), candidate(3, [2])],
    evaluations: [
      scored([
        [1, 1, 0, 0],
        [1, 0, 0, 0],
      ]),
      scored([
        [1, 0, 0, 0],
        [1, 0, 0, 0],
      ]),
      scored([
        [1, 0, 0, 0],
        [1, 1, 1, 0],
      ]),
      { status: 'failed', kind: 'timeout', reason: 'took longer than 10 s', timing },
    ],
    budget: 6,
    ...more,
  })
}

describe('collectFacts', () => {
  it('collects front, counts and hypervolume of a run that is going on', () => {
    const facts = collectFacts(smallRun())
    expect(facts.front.map(c => c.id)).toEqual([0, 2])
    expect(facts.counts).toMatchObject({ asked: 4, told: 4, failed: 1, failures: { timeout: 1 } })
    expect(facts.hypervolume).toBeCloseTo(0.5 * 0.25 + 0.25 * 0.75 - 0.25 * 0.25, 12)
    expect(facts.points.map(p => [p.id, p.onFront])).toEqual([
      [0, true],
      [1, false],
      [2, true],
    ])
    expect(facts.knees).toEqual([]) // of two candidates neither stands out
    expect(facts.failed).toEqual([{ id: 3, kind: 'timeout', reason: 'took longer than 10 s' }])
    expect(facts.timing).toEqual({ totalMs: 41.5, mergeMs: 2.25, inferenceMs: 37 })
    expect([facts.winner, facts.stopReason, facts.randomHistory]).toEqual([undefined, undefined, undefined])
    expect([facts.baselines, facts.comparisons]).toEqual([[], []])
  })

  it('keeps the order of tells and leaves out what is evaluated but not told', () => {
    const facts = collectFacts(smallRun({ told: [1, 3] }))
    expect(facts.counts).toMatchObject({ asked: 4, told: 2, failed: 1 })
    expect(facts.front.map(c => c.id)).toEqual([1])
    expect(facts.history).toEqual([
      { evaluations: 1, hypervolume: 0.0625, best: 0.75 + 0.05 * 0.75 },
      { evaluations: 2, hypervolume: 0.0625, best: 0.75 + 0.05 * 0.75 },
    ])
  })

  it('has a history that never gets worse and ends at the front', () => {
    const facts = collectFacts(digitsRun())
    for (let k = 1; k < facts.history.length; k++) {
      expect(facts.history[k]!.hypervolume).toBeGreaterThanOrEqual(facts.history[k - 1]!.hypervolume)
      expect(facts.history[k]!.best!).toBeLessThanOrEqual(facts.history[k - 1]!.best!)
    }
    expect(facts.history.at(-1)!.hypervolume).toBe(facts.hypervolume)
    expect(facts.randomHistory).toHaveLength(120)
    const front = facts.front.map(({ id }) => id)
    expect(facts.knees.length).toBeGreaterThan(0)
    expect(front).toEqual(expect.arrayContaining([...facts.knees]))
  })

  it('is empty, not an error, before anything is evaluated', () => {
    const facts = collectFacts(smallRun({ evaluations: [] }))
    expect(facts).toMatchObject({ front: [], hypervolume: 0, history: [], points: [], timing: undefined })
  })

  it('decodes candidates whose recipe is not recorded, and prefers the recorded one', () => {
    const holdout = scored([
      [1, 1],
      [1, 0],
    ])
    const run = smallRun({ assessments: [{ subject: 'candidate:2', split: 'holdout', recipe, evaluation: holdout }] })
    const decoded: Recipe = { ...recipe, method: 'slerp' }
    expect(collectFacts(run, { decode: () => decoded }).front.map(c => c.recipe)).toEqual([decoded, recipe])
    expect(collectFacts(run).front.map(c => c.recipe)).toEqual([undefined, recipe])
  })

  it('gives the winner its values on all splits, intervals, and the coefficients of its recipe', () => {
    const run = smallRun({
      assessments: [
        {
          subject: 'candidate:2',
          split: 'select',
          recipe,
          evaluation: scored([
            [1, 0],
            [1, 1],
          ]),
        },
        {
          subject: 'candidate:2',
          split: 'holdout',
          recipe,
          evaluation: scored([
            [1, 1],
            [1, 0],
          ]),
        },
      ],
      facts: { winner: { id: 2, rule: 'best worst task on select' } },
    })
    const winner = collectFacts(run).winner!
    expect(winner.rule).toBe('best worst task on select')
    expect(winner.candidate.scores).toMatchObject({
      search: { values: [0.25, 0.75], mean: { value: 0.5 }, examples: [4, 4] },
      select: { values: [0.5, 1] },
      holdout: { values: [1, 0.5] },
    })
    expect(winner.coefficients).toEqual(coefficientTable(recipe))
  })

  it('refuses a winner that the run never asked for', () => {
    const collect = (name: string, value: JsonValue) => () => collectFacts(smallRun({ facts: { [name]: value } }))
    expect(collect('winner', { id: 9 })).toThrow(
      'The run\'s fact winner must name one of its candidates, got {"id":9}.',
    )
    expect(collect('winner', 'candidate 1')).toThrow(RunStoreError)
    expect(collect('best_scale', 0.5)).toThrow("The run's fact best_scale must name a subject, got 0.5.")
    expect(collect('winner', null)().winner).toBeUndefined()
  })
})

describe('baselines and comparisons', () => {
  const facts = collectFacts(digitsRun({ trials: 200 }))

  it('are listed from base to random search, the best scale alone marked as best', () => {
    expect(facts.baselines.map(b => [b.name, b.role, b.best])).toEqual([
      ['base', 'base', true],
      ['low', 'source', true],
      ['high', 'source', true],
      ['uniform', 'uniform', true],
      ['scale-0.2', 'scale', false],
      ['scale-0.4', 'scale', false],
      ['scale-0.6', 'scale', true],
      ['scale-0.8', 'scale', false],
      ['random-search', 'random', true],
    ])
  })

  it('are compared on the holdout split, each with a verdict that fits its corrected p and its sign', () => {
    expect(facts.comparisons.map(c => c.baseline)).toEqual([
      'base',
      'low',
      'high',
      'uniform',
      'scale-0.6',
      'random-search',
    ])
    const verdicts = facts.comparisons.map(({ overall }) => ('p' in overall ? overall.verdict : overall.reason))
    expect(verdicts[0]).toBe('better')
    for (const { overall, objectives } of facts.comparisons) {
      if (!('p' in overall)) throw new Error(overall.reason)
      expect(overall.correctedP).toBeGreaterThanOrEqual(overall.p)
      expect(overall.verdict === 'not distinguishable').toBe(overall.correctedP > 0.05 || overall.gain === 0)
      expect(objectives).toHaveLength(2)
    }
  })

  it('say so where a baseline failed, or gives no score per example', () => {
    const assess = (subject: string, evaluation: Parameters<typeof fakeRun>[0]['evaluations'][number]) => ({
      subject,
      split: 'holdout' as const,
      recipe,
      evaluation: evaluation!,
    })
    const run = smallRun({
      assessments: [
        assess(
          'candidate:2',
          scored([
            [1, 1],
            [1, 0],
          ]),
        ),
        assess('baseline:base', { status: 'failed', kind: 'crashed', reason: 'killed', timing }),
        assess('baseline:uniform', { status: 'scored', values: [0.5, 0.5], timing }),
        assess(
          'baseline:low',
          scored([
            [1, 0],
            [1, 0],
          ]),
        ),
      ],
      facts: { winner: { id: 2, rule: '' } },
    })
    const { comparisons } = collectFacts(run)
    expect(comparisons.map(c => [c.baseline, 'p' in c.overall ? c.overall.verdict : c.overall.reason])).toEqual([
      ['base', 'its evaluation failed (crashed)'],
      ['low', 'not distinguishable'],
      ['uniform', 'no score per example is recorded for "low"'],
    ])
  })

  it('are the same whenever they are computed', () => {
    expect(collectFacts(digitsRun({ trials: 200 }))).toEqual(facts)
  })

  it('are not claimed before the winner has holdout scores', () => {
    const run = smallRun({
      assessments: [
        {
          subject: 'baseline:base',
          split: 'holdout',
          recipe,
          evaluation: scored([
            [0, 0],
            [0, 0],
          ]),
        },
      ],
      facts: { winner: { id: 2, rule: '' } },
    })
    expect(collectFacts(run).comparisons).toEqual([])
  })
})

describe('collectCandidate', () => {
  it('finds the ancestors, nearest first, each once', () => {
    const { candidate: facts, ancestors } = collectCandidate(smallRun(), 3)!
    expect(facts).toMatchObject({ id: 3, parents: [2], scores: { search: { status: 'failed', kind: 'timeout' } } })
    expect(ancestors.map(a => [a.id, a.generation])).toEqual([
      [2, 1],
      [0, 2],
      [1, 2],
    ])
  })

  it('knows no candidate that was never asked for', () => expect(collectCandidate(smallRun(), 4)).toBeUndefined())
})

describe('coefficientTable', () => {
  it('has a row per layer group and a column per source and parameter', () => {
    expect(coefficientTable(recipe)).toEqual({
      method: 'linear',
      base: undefined,
      parameters: {},
      columns: [
        { source: 'low', parameter: 'weight' },
        { source: 'low', parameter: 'density' },
        { source: 'high', parameter: 'weight' },
      ],
      settings: [],
      rows: [
        { label: 'layer 0', settings: [], values: [0.25, undefined, 0.75] },
        { label: 'layers 1–3, mlp', settings: [], values: [0.5, 0.9, 0.5] },
        { label: 'all tensors', settings: [], values: [1, undefined, 0] },
      ],
    })
  })

  it('says once what is the same everywhere, and in the row what a group has of its own', () => {
    const weights = { low: { weight: 0.5, density: 0.8 }, high: { weight: 1, density: 0.8 } }
    const mixed: Recipe = {
      kind: 'parameter-merge',
      method: 'ties',
      base: 'base',
      sources: ['low', 'high'],
      parameters: { lambda: 0.7, normalize: true, seed: 3 },
      groups: [
        { layers: [0, 1], coefficients: weights },
        { layers: 'all', method: 'dare_ties', parameters: { lambda: 0.9 }, coefficients: weights },
      ],
    }
    expect(coefficientTable(mixed)).toEqual({
      method: 'ties, dare_ties',
      base: 'base',
      parameters: { seed: 3, density: 0.8 },
      settings: ['method', 'lambda', 'normalize'],
      columns: [
        { source: 'low', parameter: 'weight' },
        { source: 'high', parameter: 'weight' },
      ],
      rows: [
        { label: 'layer 0', settings: ['ties', 0.7, true], values: [0.5, 1] },
        { label: 'all tensors', settings: ['dare_ties', 0.9, undefined], values: [0.5, 1] },
      ],
    })
  })
})

describe('what a report says of the search itself', () => {
  const decision = { strategy: 'bayes', because: '3 genes, 1 objective' }
  const noted = smallRun({
    manifest: { strategy: 'auto' },
    candidates: [
      { ...candidate(0), memo: { decision, inner: null } },
      { ...candidate(1), memo: { inner: { decision } } },
      { ...candidate(2, [0, 1]), memo: { decision: { strategy: 'cma-es', because: 'a | b\u001b[31m' } } },
      { ...candidate(3, [2]), memo: { decision: 'cma-es' } },
    ],
    facts: {
      ...encodedStart(),
      guesses: [{ from: 'best.yaml', genome: encodeFloat64(Float64Array.of(0.5)) }],
    },
  })

  it('is who took over when, and why, and what it began with', () => {
    const facts = collectFacts(noted)
    expect(facts.decisions).toEqual([
      { candidate: 0, ...decision },
      { candidate: 2, strategy: 'cma-es', because: 'a | b\u001b[31m' },
    ])
    expect(facts.start).toEqual({ warmStart: { run: 'earlier', trials: 2, leftOut: 1 }, guesses: ['best.yaml'] })
    expect(searchNotes(facts)).toEqual([
      'The search began with 2 trials of earlier and 1 known recipe.',
      'auto chose bayes at the start: 3 genes, 1 objective.',
      'auto chose cma-es from candidate 2 on: a | b�[31m.',
    ])
    expect(renderMarkdown(facts)).toContain('auto chose bayes at the start')
    expect(renderHtml(facts)).toContain('<p>auto chose bayes at the start: 3 genes, 1 objective.</p>')
    expect(renderFront(facts, { width: 80 })).toContain('auto chose bayes at the start: 3 genes, 1 objective.')
    expect(frontJson(facts)).toMatchObject({ decisions: facts.decisions, start: facts.start })
  })

  it('is nothing for a search that began with nothing and chose nothing', () => {
    const facts = collectFacts(smallRun())
    expect(facts).toMatchObject({ decisions: [], start: {} })
    expect(searchNotes(facts)).toEqual([])
  })

  it('refuses a beginning that cannot be read', () => {
    expect(thrownBy(() => collectFacts(smallRun({ facts: { warm_start: { run: 3 } } })))).toMatch(
      /^RunStoreError: Run ".*" is damaged: what it was started with cannot be read\.$/,
    )
  })
})

/** Two trials of one gene, the second failed. */
function encodedStart() {
  const trials = [
    { id: 4, genome: Float64Array.of(0.1), parents: [], memo: null, losses: [1, 2] },
    { id: 7, genome: Float64Array.of(0.2), parents: [], memo: null, losses: undefined },
  ]
  return { warm_start: encodeTrials(trials, { run: 'earlier', folder: 'runs/earlier', leftOut: 1, objectives: 2 }) }
}
