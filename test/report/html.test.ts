import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { collectFacts } from '../../src/report/facts.ts'
import { placeLabels } from '../../src/report/html/chart.ts'
import { escapeHtml, markup } from '../../src/report/html/markup.ts'
import { objectivePairs } from '../../src/report/html/scatter.ts'
import { renderHtml } from '../../src/report/html.ts'
import { escapeMarkdown, renderMarkdown } from '../../src/report/markdown.ts'
import { focus, linearScale, tickLabel } from '../../src/report/scale.ts'
import { headline } from '../../src/report/summary.ts'
import { digitsRun } from './fake-run.ts'

const facts = collectFacts(digitsRun({ trials: 150 }))
const html = renderHtml(facts)

describe('renderHtml', () => {
  it('needs nothing but itself, and its policy allows only its own style', () => {
    expect(html).not.toMatch(/https?:|<link|<script|<img|url\(|@import| style=/)
    const sheet = /<style>([\s\S]*)<\/style>/.exec(html)![1]!
    const hash = createHash('sha256').update(sheet).digest('base64')
    expect(html).toContain(
      `content="default-src &#39;none&#39;; style-src &#39;sha256-${hash}&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;"`,
    )
  })

  it('draws every trial that lies on its axes, every member of the front, and the curves', () => {
    expect(html.match(/class="front"/g)).toHaveLength(facts.front.length)
    const cloud = /class="cloud" d="([^"]*)"/.exec(html)![1]!
    const beyond = Number(/(\d+) trials? beyond the axes/.exec(html)?.[1] ?? 0)
    expect(cloud.match(/M/g)).toHaveLength(facts.points.length - facts.front.length - beyond)
    expect(html.match(/class="curve"/g)).toHaveLength(2)
    expect(html.match(/class="random"/g)).toHaveLength(2)
  })

  it('states the verdict of each comparison and no other', () => {
    const verdicts = [...html.matchAll(/class="verdict \w+">. ([a-z ]+)</g)].map(match => match[1])
    expect(verdicts).toEqual(facts.comparisons.map(c => ('p' in c.overall ? c.overall.verdict : '')))
  })

  it('is smaller than 2 MB for 5,000 trials of four objectives', () => {
    const large = collectFacts(
      digitsRun({ trials: 5000, objectiveNames: ['a', 'b', 'c', 'd'], sources: ['s'], randomSearch: false }),
    )
    expect(Buffer.byteLength(renderHtml(large))).toBeLessThan(2_000_000)
  })

  it('is whole for runs without winner, without trials, and with one objective', () => {
    const bare = { winner: undefined, comparisons: [], baselines: [], randomHistory: undefined, stopReason: undefined }
    const going = renderHtml({ ...facts, ...bare })
    expect(going).toContain('No winner is named yet')
    expect(going).not.toContain('held-out')
    const empty = renderHtml({
      ...facts,
      ...bare,
      points: [],
      front: [],
      failed: [],
      history: [],
      counts: { asked: 0, told: 0, failed: 0, failures: {}, partial: 0, examplesSeen: 1 },
    })
    expect(empty).toContain('Nothing has been evaluated yet.')
    expect(empty).not.toContain('<svg')
    const one = renderHtml(collectFacts(digitsRun({ trials: 40, objectiveNames: ['accuracy'], sources: ['a'] })))
    expect(one).not.toContain('class="cloud"')
    expect(one).toContain('best accuracy ↑')
    for (const page of [going, empty, one]) expect(page).not.toMatch(/NaN|undefined|Infinity/)
    expect(html).not.toMatch(/NaN|undefined|Infinity/)
  })
})

describe('headline', () => {
  it('says better of exactly those baselines for which the test does', () => {
    const text = headline(facts)
    expect(text).toMatch(/^On held-out examples, candidate \d+ is better than the base model, /)
    const unclear = facts.comparisons.filter(c => 'p' in c.overall && c.overall.verdict === 'not distinguishable')
    expect(text.includes('not distinguishable')).toBe(unclear.length > 0)
    const undecided = facts.comparisons.map(c => ({
      ...c,
      overall: { ...c.overall, correctedP: 1, verdict: 'not distinguishable' as const },
    }))
    expect(headline({ ...facts, comparisons: undecided as typeof facts.comparisons })).not.toContain('better')
  })
})

describe('renderMarkdown', () => {
  const markdown = renderMarkdown(facts)
  it('has the claims, the tables and the recipe', () => {
    expect(markdown).toContain(escapeMarkdown(headline(facts), Infinity))
    for (const { id } of facts.front) expect(markdown).toMatch(new RegExp(`\\| \\*{0,2}${id}\\*{0,2} \\|`))
    const recipe = JSON.parse(/```json\n([\s\S]*?)\n```/.exec(markdown)![1]!)
    expect(recipe).toEqual(facts.winner!.candidate.recipe)
  })
})

describe('markup', () => {
  it('escapes whatever is put in, and only that', () => {
    expect(markup`<p title="${'"<&>\''}">${['a<b', 3, undefined, false, markup`<i>${'&'}</i>`]}</p>`.text).toBe(
      '<p title="&quot;&lt;&amp;&gt;&#39;">a&lt;b3<i>&amp;</i></p>',
    )
    expect(escapeHtml('x'.repeat(10_000))).toHaveLength(10_000)
  })
})

describe('scales', () => {
  it('have round ticks inside the axis, in ascending order', () => {
    const scale = linearScale([0.13, 0.87])
    expect(scale.ticks.map(tick => tickLabel(scale, tick))).toEqual(['0.2', '0.4', '0.6', '0.8'])
    expect(scale.position(0.5)).toBeCloseTo(0.5, 12)
    for (const values of [[], [5], [0, 0], [-3, 1e9], [1e-9, 2e-9], [Number.NaN, 1, 2]]) {
      const odd = linearScale(values)
      expect(odd.low).toBeLessThan(odd.high)
      expect(odd.ticks.length).toBeGreaterThan(0)
      expect(odd.ticks.length).toBeLessThan(15)
      for (const tick of odd.ticks) expect(tickLabel(odd, tick)).not.toMatch(/NaN/)
    }
  })

  it('leave the worst tenth outside, whichever end that is, but never what must be seen', () => {
    const values = Array.from({ length: 100 }, (_, k) => k)
    expect(Math.min(...focus(values, [], 'maximize'))).toBe(10)
    expect(Math.max(...focus(values, [], 'minimize'))).toBe(89)
    expect(Math.min(...focus(values, [2], 'maximize'))).toBe(2)
  })
})

describe('objectivePairs', () => {
  it('lists each pair once, at most six', () => {
    expect(objectivePairs(1)).toEqual([])
    expect(objectivePairs(3)).toEqual([
      [0, 1],
      [0, 2],
      [1, 2],
    ])
    expect(objectivePairs(8)).toHaveLength(6)
  })
})

describe('placeLabels', () => {
  it('keeps labels of neighbouring points apart', () => {
    const area = { width: 460, height: 300, left: 46, right: 448, top: 20, bottom: 260 }
    const points: [number, number][] = [
      [200, 100],
      [204, 102],
      [208, 98],
      [202, 106],
    ]
    const labels = placeLabels(
      area,
      points.map(([x, y], k) => ({ x, y, text: `label ${k}`, kind: 'other' as const })),
      points,
    )
    const boxes = labels.map(({ text }) => {
      const [, anchor, x, y] = /class="halo of-other(| end| mid)" x="([\d.]+)" y="([\d.]+)"/.exec(text)!
      const width = 7 * 6.3
      const left = Number(x) - (anchor === ' end' ? width : anchor === ' mid' ? width / 2 : 0)
      return { left, right: left + width, y: Number(y) }
    })
    boxes.forEach((a, i) => {
      for (const b of boxes.slice(i + 1))
        expect(a.right <= b.left || b.right <= a.left || Math.abs(a.y - b.y) >= 12).toBe(true)
    })
  })
})
