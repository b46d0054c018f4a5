import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import { describe, expect, it } from 'vitest'
import { collectCandidate } from '../../src/report/candidate-facts.ts'
import { frontCsv } from '../../src/report/csv.ts'
import { collectFacts } from '../../src/report/facts.ts'
import { renderHtml } from '../../src/report/html.ts'
import { frontJson, reportJson, stringify } from '../../src/report/json.ts'
import { renderMarkdown } from '../../src/report/markdown.ts'
import { displayWidth } from '../../src/report/plain-text.ts'
import { renderPlot } from '../../src/report/plot.ts'
import { renderRun } from '../../src/report/text.ts'
import { renderCandidate } from '../../src/report/text-candidate.ts'
import { writeReport } from '../../src/report/write.ts'
import { digitsRun } from './fake-run.ts'

/** Names as a stranger's file may hold them. */
const HOSTILE = [
  '</script><script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '" onmouseover="alert(1)" x="',
  '</style><svg onload=alert(1)>',
  '\u001b]8;;http://evil.example\u0007click\u001b]8;;\u0007',
  '\u001b[2J\u001b[31mred',
  '\u009b31m',
  '=cmd|"/c calc"!A1',
  '@SUM(A1:A9)',
  'line one\nline two\r\n| a | b |',
  '\u202egnp.exe\u2066',
  'שלום',
  '__proto__',
  '`![x](javascript:alert(1))`',
  '](http://evil.example)',
  'a\u0000b',
  '\ud800',
  'x'.repeat(5000),
]

/** What a terminal acts on, and what reorders text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is the point.
const ACTIVE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/

describe.each(HOSTILE.map(text => [JSON.stringify(text).slice(0, 30), text] as const))(
  'a run full of %s',
  (_, text) => {
    const plain = digitsRun({ trials: 60, objectiveNames: [text, `${text} 2`], sources: [text, 'high'] })
    const run = {
      ...plain,
      manifest: {
        ...plain.manifest,
        runId: text,
        strategy: text,
        createdAt: text,
        geneNames: plain.manifest.geneNames.map(name => name.replace('low', text)),
        environment: { [text]: text },
        digests: { [text]: text },
      },
      fact: (name: string) => {
        const value = plain.fact(name)
        return name === 'winner' ? { ...Object(value), rule: text } : value
      },
      trials: () =>
        plain
          .trials()
          .map(trial =>
            trial.evaluation.status === 'failed'
              ? { ...trial, evaluation: { ...trial.evaluation, reason: text } }
              : trial,
          ),
      stopReason: () => ({ criterion: text, detail: text }),
    }
    const facts = collectFacts(run)

    it('prints on a terminal as plain lines that fit', () => {
      const { candidate, ancestors } = collectCandidate(run, facts.winner!.candidate.id)!
      for (const rendered of [
        renderRun(facts, { width: 80 }),
        renderCandidate(facts, candidate, ancestors, { width: 80 }),
        renderPlot(facts, { width: 80, height: 10 }),
      ]) {
        expect(rendered).not.toMatch(ACTIVE)
        for (const line of rendered.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(80)
      }
    })

    it('is HTML with no element, attribute or address that we did not write', () => {
      const html = renderHtml(facts)
      expect(html).not.toMatch(ACTIVE)
      const body = html.slice(html.indexOf('</style>') + '</style>'.length)
      const elements = new Set([...body.matchAll(/<([a-zA-Z!/][^\s>]*)/g)].map(match => match[1]!.replace('/', '')))
      const ours =
        'head body html header main section footer h1 h2 p dl div dt dd bdi figure figcaption svg path text title circle table caption thead tbody tr th td span details summary code br'
      expect([...elements].filter(element => !ours.split(' ').includes(element))).toEqual([])
      const attributes = new Set(
        [...body.matchAll(/<[a-z][^\s>]*((?:\s[a-zA-Z-]+="[^"]*")*)\s*\/?>/g)].flatMap(tag =>
          [...tag[1]!.matchAll(/\s([a-zA-Z-]+)="/g)].map(match => match[1]!),
        ),
      )
      const known = 'class x y d cx cy r viewBox role aria-label tabindex scope colspan'.split(' ')
      expect([...attributes].filter(attribute => !known.includes(attribute))).toEqual([])
      // Every `<` and `>` belongs to a well-formed tag: nothing is left when the tags are taken out.
      expect(body.replace(/<\/?[a-z][a-z0-9]*(?:\s[a-zA-Z-]+="[^"<>]*")*\s*\/?>/g, '')).not.toMatch(/[<>]/)
      expect(html.match(/<script|<style/g)).toEqual(['<style'])
    })

    it('is CSV without formulas, one line a candidate', () => {
      const csv = frontCsv(facts)
      const rows: string[][] = parse(csv)
      expect(rows).toHaveLength(facts.front.length + 1)
      expect(csv.trimEnd().split('\n')).toHaveLength(rows.length)
      for (const cell of rows[0]!) expect(cell).not.toMatch(/^\s*[=+\-@]/)
    })

    it('is JSON that keeps the names and cannot act on a terminal', () => {
      const json = JSON.parse(stringify(frontJson(facts)))
      expect(json.run).toBe(text)
      expect(Object.keys(json.candidates[0].values)).toEqual([text, `${text} 2`])
      expect(stringify(reportJson(facts))).not.toMatch(ACTIVE)
    })

    it('is Markdown without HTML, links or broken tables', () => {
      const markdown = renderMarkdown(facts)
      expect(markdown).not.toMatch(ACTIVE)
      const prose = markdown.replace(/```json[\s\S]*?\n```/g, '')
      expect(prose).not.toMatch(/<[a-z/!]/i)
      expect(prose).not.toMatch(/(^|[^\\])\]\(/)
      for (const table of prose.split('\n\n').filter(block => block.startsWith('| '))) {
        const columns = table.split('\n').map(line => line.split(/(?<!\\)\|/).length)
        expect(new Set(columns).size).toBe(1)
      }
    })
  },
)

describe('writeReport', () => {
  it('replaces whole files and follows no planted link', () => {
    const folder = mkdtempSync(join(tmpdir(), 'amalgam-report-'))
    try {
      const precious = join(folder, 'precious.txt')
      writeFileSync(precious, 'mine')
      symlinkSync(precious, join(folder, 'report.html'))
      const facts = collectFacts(digitsRun({ trials: 30, randomSearch: false }))
      const files = writeReport(folder, facts)
      expect(files).toEqual([join(folder, 'report.html'), join(folder, 'report.md')])
      expect(readFileSync(precious, 'utf8')).toBe('mine')
      expect(readFileSync(files[0]!, 'utf8')).toBe(renderHtml(facts))
      expect(readFileSync(files[1]!, 'utf8')).toBe(renderMarkdown(facts))
      expect(readdirSync(folder).sort()).toEqual(['precious.txt', 'report.html', 'report.md'])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('says which file could not be written', () => {
    const facts = collectFacts(digitsRun({ trials: 10, randomSearch: false }))
    expect(() => writeReport('/nonexistent/run', facts)).toThrow(
      '/nonexistent/run/report.html cannot be written (ENOENT).',
    )
  })
})
