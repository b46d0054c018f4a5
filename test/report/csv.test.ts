import { parse } from 'csv-parse/sync'
import { describe, expect, it } from 'vitest'
import { csvText, frontCsv } from '../../src/report/csv.ts'
import { collectFacts } from '../../src/report/facts.ts'
import { digitsRun } from './fake-run.ts'

describe('frontCsv', () => {
  it('is read back by a CSV parser with every digit of every number', () => {
    const facts = collectFacts(digitsRun({ trials: 60, sources: ['a,b', '-x'] }))
    const rows: Record<string, string>[] = parse(frontCsv(facts), { columns: true })
    expect(rows.map(row => Number(row.id))).toEqual(facts.front.map(c => c.id))
    rows.forEach((row, k) => {
      const candidate = facts.front[k]!
      expect(facts.geneNames.map(name => Number(row[`gene:${name}`]))).toEqual([...candidate.genome])
      expect(candidate.scores.search).toMatchObject({ values: [Number(row.low), Number(row.high)] })
      expect(row.winner).toBe(candidate.id === facts.winner!.candidate.id ? 'yes' : '')
    })
  })
})

describe('csvText', () => {
  it.each([
    ['plain', 'plain'],
    ['=cmd()', '"\'=cmd()"'],
    ['+1', '"\'+1"'],
    ['-x', '"\'-x"'],
    ['@SUM(A1)', '"\'@SUM(A1)"'],
    ['\t=1', '"\'\u{fffd}=1"'],
    [' =1', '"\' =1"'],
    ['＝1', '"\'＝1"'],
    ['a"b', '"a""b"'],
    ['a,b', '"a,b"'],
    ['a\nb', '"a\u{fffd}b"'],
  ])('makes %j a harmless cell', (text, cell) => expect(csvText(text)).toBe(cell))
})
