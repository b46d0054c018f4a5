import { describe, expect, it } from 'vitest'
import type { SessionChoice } from '../src/evaluation/evaluator.ts'
import { collectFacts } from '../src/report/facts.ts'
import { renderHtml } from '../src/report/html.ts'
import { frontJson } from '../src/report/json.ts'
import { renderMarkdown } from '../src/report/markdown.ts'
import { displayWidth } from '../src/report/plain-text.ts'
import { renderRun } from '../src/report/text.ts'
import { recordChoices, recordedChoices, workersChoice } from '../src/run-choices.ts'
import { createRun, readRun } from '../src/runs/run-folder.ts'
import { tempFolder } from './helpers/temp-run.ts'
import { thrownBy } from './helpers/thrown.ts'
import { digitsRun, fakeRun } from './report/fake-run.ts'

const inputs: SessionChoice = { option: 'weights', value: 'inputs', reason: 'Faster: 1 ms as inputs.' }
const one: SessionChoice = { option: 'threads', value: 1, reason: 'No cores to spare.' }
const two: SessionChoice = { option: 'threads', value: 2, reason: 'Faster: 3 ms.' }

describe('choices of a run', () => {
  it('are recorded once for each value, in the order in which they were made, and survive', () => {
    const folder = `${tempFolder()}/run`
    const run = createRun(folder, digitsRun().manifest, { budget: 3 })
    expect(recordedChoices(run)).toEqual([])
    recordChoices(run, [inputs, one])
    recordChoices(run, [{ ...one, reason: 'Another time.' }, two])
    run.close()
    const again = readRun(folder)
    expect(recordedChoices(again)).toEqual([inputs, one, two])
    again.close()
  })

  it('that cannot be read are a damaged run, not a report without them', () => {
    expect(thrownBy(() => recordedChoices({ folder: '/runs/x', fact: () => [{ option: 'threads' }] }))).toBe(
      'RunStoreError: Run "/runs/x" is damaged: what its evaluator decided cannot be read.',
    )
  })

  it('stand in every rendering, printable and within the width, whatever an evaluator calls them', () => {
    const reader = digitsRun({ trials: 20 })
    const evil: SessionChoice = { option: '<b>o</b>', value: 'v\u001b[2J', reason: `line\n| a | ${'x'.repeat(90)}` }
    const fact = (name: string) => (name === 'choices' ? [two, evil] : reader.fact(name))
    const facts = collectFacts({ ...reader, fact } as never)
    for (const width of [40, 80]) {
      const text = renderRun(facts, { width })
      expect(text).toContain('threads 2. Faster: 3 ms.')
      expect(Math.max(...text.split('\n').map(displayWidth))).toBeLessThanOrEqual(width)
      expect(text).not.toContain('\u001b')
    }
    expect(renderMarkdown(facts)).toContain('## How candidates were scored\n\n- threads 2. Faster')
    expect(renderMarkdown(facts)).not.toMatch(/<b>|^\| a \|/m)
    expect(renderHtml(facts)).toContain('<p class="note">threads 2. Faster: 3 ms.</p>')
    expect(renderHtml(facts)).not.toContain('<b>o')
    expect(frontJson(facts).choices).toEqual([two, evil])
  })

  it('are not mentioned where there are none', () => {
    const facts = collectFacts(
      fakeRun({ objectives: digitsRun().manifest.objectives, geneNames: [], candidates: [], evaluations: [] }),
    )
    expect(renderRun(facts, { width: 80 })).not.toContain('How candidates were scored')
    expect(renderMarkdown(facts)).not.toContain('How candidates were scored')
  })
})

describe('workersChoice', () => {
  it.each([
    [undefined, 4, 8, 4, 'One per core, 4: as many'],
    [undefined, 16, 8, 8, 'One per core, 16, but a search with 8 slots'],
    [3, 16, 8, 3, 'As asked, 3: as many'],
    [9, 2, 8, 8, 'As asked, 9, but a search with 8 slots'],
  ])('asked for %s on %d cores with %d slots: %d', (asked, cores, slots, value, reason) => {
    const choice = workersChoice(asked, cores, slots)
    expect(choice).toMatchObject({ option: 'workers', value })
    expect(choice.reason).toContain(reason)
  })
})
