import { describe, expect, it } from 'vitest'
import { collectCandidate } from '../../src/report/candidate-facts.ts'
import { collectFacts } from '../../src/report/facts.ts'
import { frontJson, reportJson, showJson, stringify } from '../../src/report/json.ts'
import { digitsRun } from './fake-run.ts'

const run = digitsRun({ trials: 60, randomSearch: false })
const facts = collectFacts(run)

describe('frontJson', () => {
  const json = JSON.parse(stringify(frontJson(facts)))

  it('has the fields that other tools rely on', () => {
    expect(json).toMatchObject({ v: 1, run: 'digits-1', seed: 1, strategy: 'cma-es', evaluations: 60 })
    expect(json.objectives).toEqual([
      { name: 'low', direction: 'maximize' },
      { name: 'high', direction: 'maximize' },
    ])
    expect(json.hypervolume).toBe(facts.hypervolume)
    expect(json.knees).toEqual(facts.knees)
    const first = facts.front[0]!
    expect(json.candidates[0]).toMatchObject({ id: first.id, genome: first.genome })
    expect(Object.keys(json.candidates[0].values)).toEqual(['low', 'high'])
    const winner = json.candidates.find((c: { id: number }) => c.id === json.winner.id)
    if (winner !== undefined) expect(Object.keys(winner.holdout)).toEqual(['low', 'high'])
    expect(json.baselines.map((b: { name: string }) => b.name)).toContain('uniform')
    const base = json.baselines[0]
    expect(Object.keys(base)).toEqual(['name', 'values', 'select', 'holdout'])
    expect(base.name).toBe('base')
  })

  it('leaves out splits that were not scored, and has a null recipe where none is known', () => {
    const other = json.candidates.find((c: { id: number }) => c.id !== json.winner.id)
    expect(Object.keys(other)).toEqual(['id', 'genome', 'values', 'recipe'])
    expect(other.recipe).toBeNull()
  })

  it('is valid for a run without any evaluation', () => {
    const empty = { ...run, events: () => [], trials: () => [], assessments: () => [], fact: () => undefined }
    expect(frontJson(collectFacts(empty))).toMatchObject({
      evaluations: 0,
      hypervolume: 0,
      candidates: [],
      knees: [],
      baselines: [],
      winner: null,
    })
  })
})

describe('showJson', () => {
  it('names the genes and lists ancestors with their values', () => {
    const { candidate, ancestors } = collectCandidate(run, 30)!
    const json = showJson(facts, candidate, ancestors)
    expect(json.genes['layers.0/low/weight']).toBe(candidate.genome[0])
    expect(json.ancestors[0]!.id).toBe(candidate.parents[0])
    expect(Object.keys(json.ancestors[0]!.values!)).toEqual(['low', 'high'])
  })
})

describe('reportJson', () => {
  it('survives a round trip: nothing in the facts is beyond JSON', () => {
    const json = reportJson(facts)
    const withoutUndefined = JSON.parse(JSON.stringify(json))
    expect(JSON.parse(stringify(json))).toEqual(withoutUndefined)
    expect(withoutUndefined.history).toEqual(facts.history)
  })
})

describe('stringify', () => {
  it('escapes what could act on a terminal, without changing the value', () => {
    const value = { '\u001b]8;;x\u0007': 'a\u009b31m\u202eb\u007f\u2028' }
    const text = stringify(value)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is the point.
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e\u2028]/)
    expect(JSON.parse(text)).toEqual(value)
  })
})
