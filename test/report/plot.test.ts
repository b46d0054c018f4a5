import { describe, expect, it } from 'vitest'
import { collectFacts } from '../../src/report/facts.ts'
import { displayWidth } from '../../src/report/plain-text.ts'
import { renderPlot } from '../../src/report/plot.ts'
import type { Paint } from '../../src/report/table.ts'
import { accuracy, digitsRun, fakeRun, scored } from './fake-run.ts'

/** n of 10 examples right. */
const right = (n: number) => Array.from({ length: 10 }, (_, j) => (j < n ? 1 : 0))

const corners = collectFacts(
  fakeRun({
    objectives: [accuracy('x'), accuracy('y')],
    geneNames: ['g'],
    candidates: [0, 1, 2].map(id => ({ id, genome: Float64Array.of(id), parents: [], memo: null })),
    evaluations: [scored([right(10), right(0)]), scored([right(0), right(10)]), scored([right(0), right(0)])],
  }),
)

describe('renderPlot', () => {
  it('puts points where they belong: x to the right, y upwards', () => {
    const lines = renderPlot(corners, { width: 40, height: 8, ascii: true }).split('\n').slice(1, 9)
    const gutter = lines[0]!.search(/[|+]/) + 1
    const marks = lines.flatMap((line, row) =>
      [...line.slice(gutter)].flatMap((mark, column) => (mark === 'o' || mark === '.' ? [{ mark, row, column }] : [])),
    )
    expect(marks.map(({ mark, row }) => [mark, row])).toEqual([
      ['o', 0],
      ['.', 7],
      ['o', 7],
    ])
    expect(marks[0]!.column).toBe(marks[1]!.column)
    expect(marks[2]!.column).toBeGreaterThan(marks[1]!.column + 20)
  })

  const facts = collectFacts(digitsRun({ trials: 200 }))
  it.each([40, 60, 100, 200])('fits %i columns, its labels and legend too', width => {
    for (const ascii of [true, false]) {
      const plot = renderPlot(facts, { width, height: 12, ascii })
      for (const line of plot.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(width)
    }
  })

  it('tells trials, front, winner and baselines apart without colour', () => {
    const plot = renderPlot(facts, { width: 80, height: 16, ascii: true })
    expect(plot).toMatch(/^[\n -~]*$/)
    for (const entry of ['. trial', 'o front', '* winner', 'A base', 'B low', 'C high', 'D uniform average'])
      expect(plot).toContain(entry)
    expect(renderPlot(facts, { width: 80, height: 16 })).toMatch(/[\u2801-\u28ff]/)
  })

  it('paints without changing a character', () => {
    const paint: Paint = (_style, text) => `\u001b[36m${text}\u001b[39m`
    // biome-ignore lint/suspicious/noControlCharactersInRegex: taking the paint off again.
    const strip = (text: string): string => text.replace(/\u001b\[\d+m/g, '')
    const options = { width: 80, height: 16 }
    expect(strip(renderPlot(facts, { ...options, paint })).replace(/ +$/gm, '')).toBe(renderPlot(facts, options))
  })

  it('is empty where there is nothing to scatter', () => {
    expect(renderPlot({ ...facts, points: [] }, { width: 80, height: 10 })).toBe('')
    expect(renderPlot({ ...facts, objectives: facts.objectives.slice(0, 1) }, { width: 80, height: 10 })).toBe('')
  })
})
