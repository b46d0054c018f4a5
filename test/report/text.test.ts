import { describe, expect, it } from 'vitest'
import { collectCandidate } from '../../src/report/candidate-facts.ts'
import { collectFacts } from '../../src/report/facts.ts'
import { formatCount, formatDuration, formatP, formatSigned, numberFormat } from '../../src/report/format.ts'
import { displayWidth, pad, printable, truncate, wrap } from '../../src/report/plain-text.ts'
import { formatTable, type Paint } from '../../src/report/table.ts'
import { renderFront, renderRun } from '../../src/report/text.ts'
import { renderCandidate } from '../../src/report/text-candidate.ts'
import { renderWinner } from '../../src/report/text-winner.ts'
import { digitsRun } from './fake-run.ts'

const run = digitsRun({ trials: 200 })
const facts = collectFacts(run)
const widest = (text: string): number => Math.max(...text.split('\n').map(displayWidth))

describe('renderFront', () => {
  it('has a row per candidate of the front and marks the winner', () => {
    const text = renderFront(facts, { width: 80 })
    expect(text).toContain('Run digits-1')
    expect(text).toContain('★ winner')
    expect(text).toMatch(/candidate\s+low ↑\s+high ↑\s+mean/)
    for (const { id } of facts.front) expect(text).toMatch(new RegExp(`^[ *]*${id}\\s`, 'm'))
    expect(text).toMatch(new RegExp(`^\\s*\\* ${facts.winner!.candidate.id} `, 'm'))
  })

  it('a summary thins a long front out, keeps its ends and the winner, and says how to see the rest', () => {
    const { front, winner } = facts
    const text = renderFront(facts, { width: 80 }, 4)
    const isShown = (id: number): boolean => new RegExp(String.raw`^[ *]*${id}\s+[01]\.`, 'm').test(text)
    const shown = front.map(({ id }) => id).filter(isShown)
    expect(front.length).toBeGreaterThan(6)
    expect(shown.length).toBeLessThanOrEqual(5)
    expect(shown).toEqual(expect.arrayContaining([front[0]!.id, front.at(-1)!.id, winner!.candidate.id]))
    expect(text).toContain(`${front.length - shown.length} more: amalgam front digits-1`)
    expect(renderFront(facts, { width: 80 })).not.toContain('more: amalgam front')
  })

  it('names the knees, a handful at most', () => {
    const knees = facts.front.slice(0, 7).map(({ id }) => id)
    const text = renderFront({ ...facts, knees }, { width: 200 })
    expect(text).toContain(`costs much of another: ${knees.slice(0, 5).join(', ')}.`)
    expect(renderFront({ ...facts, knees: [] }, { width: 200 })).not.toContain('costs much')
  })

  it('says that a front is empty', () => {
    expect(renderFront({ ...facts, front: [] }, { width: 80 })).toContain('No candidate was scored yet')
  })
})

describe('renderWinner', () => {
  it('prints the verdict of the test, never its own', () => {
    const text = renderWinner(facts, { width: 120 })
    for (const { baseline, overall } of facts.comparisons) {
      if (!('p' in overall)) continue
      const label = facts.baselines.find(b => b.name === baseline)!.label
      const row = text.split('\n').findLast(line => line.startsWith(label))!
      expect(row).toContain(overall.verdict)
      if (overall.verdict !== 'better') expect(row).not.toContain('better')
    }
  })

  it('has no verdict without holdout scores', () => {
    const { winner } = facts
    const scores = { search: winner!.candidate.scores.search! }
    const text = renderWinner(
      { ...facts, winner: { ...winner!, candidate: { ...winner!.candidate, scores } }, comparisons: [] },
      { width: 80 },
    )
    expect(text).toContain('nothing can be claimed')
    expect(text).not.toContain('better')
    expect(renderWinner({ ...facts, winner: undefined }, { width: 80 })).toContain('No winner is named yet')
  })
})

describe('every text', () => {
  const { candidate, ancestors } = collectCandidate(run, 150)!
  it.each([40, 60, 80, 120, 200])('fits %i columns', width => {
    for (const ascii of [false, true]) {
      expect(widest(renderRun(facts, { width, ascii }))).toBeLessThanOrEqual(width)
      expect(widest(renderCandidate(facts, candidate, ancestors, { width, ascii }))).toBeLessThanOrEqual(width)
    }
  })

  it('is ASCII when asked to be', () => {
    const options = { width: 80, ascii: true }
    const all = renderRun(facts, options) + renderCandidate(facts, candidate, ancestors, options)
    expect(all).toMatch(/^[\n -~]*$/)
  })

  it('says the same without colour: painting adds nothing but escapes', () => {
    const paint: Paint = (_style, text) => `\u001b[36m${text}\u001b[39m`
    // biome-ignore lint/suspicious/noControlCharactersInRegex: taking the paint off again.
    const strip = (text: string): string => text.replaceAll(/\u001b\[\d+m/g, '').replaceAll(/ +$/gm, '')
    expect(strip(renderRun(facts, { width: 100, paint }))).toBe(renderRun(facts, { width: 100 }))
  })
})

describe('renderCandidate', () => {
  it('shows coefficients by layer group and source, scores on each split, and the lineage', () => {
    const { candidate, ancestors } = collectCandidate(run, facts.winner!.candidate.id)!
    const text = renderCandidate(facts, candidate, ancestors, { width: 100 })
    expect(text).toMatch(/search\s+select\s+holdout/)
    expect(text).toContain('Recipe: task_arithmetic on base, weight, normalize = false')
    expect(text).toMatch(/tensors\s+low\s+high/)
    expect(text).toMatch(/before the layers\s+-?\d\.\d{4}\s+-?\d\.\d{4}/)
    expect(text).toContain(`Parents: ${candidate.parents.join(', ')}`)
  })

  it('shows the genes where the recipe is not known', () => {
    const { candidate, ancestors } = collectCandidate(run, 3)!
    const text = renderCandidate(facts, candidate, ancestors, { width: 100 })
    expect(text).toMatch(/layers\.0\/low\/weight\s+-?\d/)
    expect(text).toContain('It has no parents')
  })

  it('shows why a candidate failed', () => {
    const { candidate, ancestors } = collectCandidate(run, 17)!
    expect(renderCandidate(facts, candidate, ancestors, { width: 100 })).toContain(
      'Failed on the search split (timeout): low is not a number on 3 of 420 examples',
    )
  })
})

describe('formatTable', () => {
  const columns = ['key', 'a', 'b', 'c'].map(header => ({ header, align: 'right' as const }))
  const rows = [['1', '10.5', '200', '3000']]

  it('aligns', () => {
    expect(formatTable(columns, rows, { width: 80 })).toBe('key     a    b     c\n  1  10.5  200  3000')
  })

  it('continues below, with the key columns repeated, when it is too wide', () => {
    expect(formatTable(columns, rows, { width: 15 })).toBe(
      ['key     a    b', '  1  10.5  200', '', 'key     c', '  1  3000'].join('\n'),
    )
  })

  it('cuts a cell that is wider than the terminal', () => {
    const text = formatTable(columns.slice(0, 2), [['1', 'x'.repeat(50)]], { width: 20 })
    expect(text.split('\n')[1]).toBe(`  1  ${'x'.repeat(14)}…`)
  })
})

describe('plain text', () => {
  it('replaces what a terminal would act on', () => {
    expect(printable('a\u001b[31mb\r\n\u0007c\u202ed\u200be')).toBe(
      'a\u{fffd}[31mb\u{fffd}\u{fffd}\u{fffd}c\u{fffd}d\u{fffd}e',
    )
    expect(printable('\ud800x')).toBe('\u{fffd}x')
    expect(printable('x'.repeat(100), 10)).toBe(`${'x'.repeat(9)}…`)
    expect(printable('名前 é 😀')).toBe('名前 é 😀')
  })

  it('measures columns, not code units', () => {
    expect(displayWidth('名前')).toBe(4)
    expect(displayWidth('e\u0301😀')).toBe(3)
    expect(truncate('名前名前', 5)).toBe('名前…')
    expect(pad('名', 4, 'right')).toBe('  名')
  })

  it('wraps at spaces and cuts longer words', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three'])
    expect(wrap('abcdefghij k', 5)).toEqual(['abcd…', 'k'])
  })
})

describe('numbers', () => {
  it('share their decimals in a column', () => {
    expect([0.5, 0.12345].map(numberFormat([0.5, 0.12345]))).toEqual(['0.5000', '0.1235'])
    expect([12.3, 4].map(numberFormat([12.3, 4]))).toEqual(['12.300', '4.000'])
    expect([1234.56, -0.001].map(numberFormat([1234.56, -0.001]))).toEqual(['1234.6', '0.0'])
    expect([3, 250].map(numberFormat([3, 250]))).toEqual(['3', '250'])
    expect([-0].map(numberFormat([-0]))).toEqual(['0'])
    expect(numberFormat([123456789])(123456789)).toBe('1.235e+8')
    expect(numberFormat([1e-5])(1e-5)).toBe('1.000e-5')
  })

  it('have a sign only when they are not zero as written', () => {
    const format = numberFormat([0.5])
    expect([0.1, -0.1, 0, 0.00001].map(x => formatSigned(x, format))).toEqual([
      '+0.1000',
      '-0.1000',
      '0.0000',
      '0.0000',
    ])
  })

  it('never round p to zero', () => {
    expect([0, 1e-9, 0.0001, 0.00456, 0.0456, 0.5, 0.9999].map(formatP)).toEqual([
      '< 0.0001',
      '< 0.0001',
      '0.0001',
      '0.0046',
      '0.046',
      '0.500',
      '1',
    ])
  })

  it('write durations and counts for people', () => {
    expect([0.42, 42, 4200, 65_000, 7_500_000].map(formatDuration)).toEqual([
      '0.4 ms',
      '42 ms',
      '4.2 s',
      '1 min 5 s',
      '2 h 5 min',
    ])
    expect(formatCount(1234567)).toBe('1,234,567')
  })
})
