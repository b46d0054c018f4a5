import { createHash } from 'node:crypto'
import type { RunFacts } from './facts.ts'
import { comparisonNote, formatDuration, formatNumber, plural } from './format.ts'
import { historyCharts } from './html/curves.ts'
import { holdoutCharts } from './html/forest.ts'
import { type Child, type Markup, markup, name, styleElement } from './html/markup.ts'
import { MAX_PAIRS, objectivePairs, scatterChart, scatterLegend } from './html/scatter.ts'
import { STYLE } from './html/style.ts'
import { baselineTable, comparisonTable, contenderTable, frontTable, heatmap, scrolling } from './html/tables.ts'
import { printable } from './plain-text.ts'
import { choiceNotes, contenderNote, headline, searchNotes } from './summary.ts'

/** Failures listed one by one; the rest are counted. */
const SHOWN_FAILURES = 20
/** A reason may be a whole stack trace. */
const LONGEST_REASON = 500

/**
 * The report: one file that needs no network, no script and nothing beside it. Its policy forbids everything except its own style
 * sheet, by hash.
 */
export function renderHtml(facts: RunFacts): string {
  const policy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'`
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${printable(facts.run)} · merge search</title>
${styleElement(STYLE)}
</head>
<body>
${header(facts)}
<main>
${holdout(facts)}
${front(facts)}
${progress(facts)}
${recipe(facts)}
${baselines(facts)}
${failures(facts)}
</main>
${footer(facts)}
</body>
</html>
`
  return page.text
}

function section(title: string, ...children: readonly Child[]): Markup {
  return markup`<section><h2>${title}</h2>${children}</section>`
}

function charts(figures: readonly Markup[]): Markup | undefined {
  return figures.length === 0 ? undefined : markup`<div class="charts">${figures}</div>`
}

function header(facts: RunFacts): Markup {
  const { counts, timing } = facts
  const figures: (readonly [term: string, value: Child])[] = [
    [facts.stopReason === undefined ? `of ${facts.budget} evaluations` : 'evaluations', counts.told],
    ['on the front', facts.front.length],
    ['hypervolume', formatNumber(facts.hypervolume)],
    ['failed', counts.failed],
    ...(timing === undefined ? [] : [['per candidate (median)', formatDuration(timing.totalMs)] as const]),
  ]
  const state = facts.stopReason === undefined ? 'not ended' : `ended by ${printable(facts.stopReason.criterion)}`
  return markup`<header><h1>${name(facts.run)}</h1>
<p class="meta">Merge search with ${name(facts.strategy)}, seed ${facts.seed}, begun ${facts.createdAt.slice(0, 16).replace('T', ' ')}, ${state}.</p>
<p class="lead">${headline(facts)}</p>
${searchNotes(facts).map(note => markup`<p>${note}</p>`)}
<dl class="figures">${figures.map(([term, value]) => markup`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl></header>`
}

function holdout(facts: RunFacts): Markup | undefined {
  const { winner } = facts
  if (winner?.candidate.scores.holdout === undefined) return undefined
  const rule = winner.rule === '' ? '' : ` It was chosen by: ${printable(winner.rule, LONGEST_REASON)}.`
  return section(
    `Candidate ${winner.candidate.id} on held-out examples`,
    markup`<p>Nothing in the search has read these examples.${rule} Lines are 95 % intervals.</p>`,
    contenders(facts),
    charts(holdoutCharts(facts)),
    facts.comparisons.length > 0 && [comparisonTable(facts), markup`<p class="note">${comparisonNote(facts)}</p>`],
  )
}

function contenders(facts: RunFacts): Child {
  const note = contenderNote(facts)
  const table = contenderTable(facts)
  return (
    note !== undefined && [
      markup`<p>${note}</p>`,
      table && markup`<details><summary>How far behind the winner they are</summary>${table}</details>`,
    ]
  )
}

function front(facts: RunFacts): Markup | undefined {
  if (facts.points.length === 0) return undefined
  const pairs = objectivePairs(facts.objectives.length)
  const all = (facts.objectives.length * (facts.objectives.length - 1)) / 2
  const figures = pairs.map(pair => scatterChart(facts, pair))
  return section(
    'Front',
    markup`<p>${plural(facts.front.length, 'candidate')} that no other dominates, on the search split. ${pairs.length > 0 && scatterLegend(facts)}${
      all > MAX_PAIRS && ` The first ${MAX_PAIRS} of ${all} pairs of objectives are drawn.`
    }</p>`,
    figures.length === 1
      ? markup`<div class="beside">${figures}${frontTable(facts)}</div>`
      : [charts(figures), frontTable(facts)],
  )
}

function progress(facts: RunFacts): Markup | undefined {
  if (facts.history.length === 0) return undefined
  return section(
    'Search',
    markup`<p>What had been found after so many evaluations, on the search split${
      facts.randomHistory !== undefined && ', beside random search with the same budget'
    }.</p>`,
    charts(historyCharts(facts)),
  )
}

function recipe(facts: RunFacts): Markup | undefined {
  const table = facts.winner?.coefficients
  if (table === undefined) return undefined
  const parameters = Object.entries(table.parameters).map(
    ([key, value]) => `${printable(key)} = ${printable(`${value}`)}`,
  )
  return section(
    'Recipe of the winner',
    markup`<p><code>${printable(table.method)}</code>${table.base !== undefined && markup` on ${name(table.base)}`}${
      parameters.length > 0 && `, ${parameters.join(', ')}`
    }. The first row that selects a tensor governs it.</p>`,
    heatmap(table),
  )
}

function baselines(facts: RunFacts): Markup | undefined {
  if (facts.baselines.length === 0) return undefined
  return section(
    'All splits',
    markup`<p>The winner and every baseline on each split that was scored.</p>`,
    baselineTable(facts),
  )
}

function failures(facts: RunFacts): Markup | undefined {
  if (facts.failed.length === 0) return undefined
  const kinds = Object.entries(facts.counts.failures).map(([kind, count]) => `${count} ${kind}`)
  const rows = facts.failed
    .slice(0, SHOWN_FAILURES)
    .map(
      ({ id, kind, reason }) =>
        markup`<tr><th scope="row">${id}</th><td>${kind}</td><td class="wrap">${printable(reason, LONGEST_REASON)}</td></tr>`,
    )
  const more = facts.failed.length - SHOWN_FAILURES
  const table = markup`<table><thead><tr><th scope="col">candidate</th><th scope="col">kind</th><th scope="col">reason</th></tr></thead><tbody>${rows}</tbody></table>`
  return section(
    'Failures',
    markup`<p>${plural(facts.failed.length, 'candidate')} failed: ${kinds.join(', ')}.</p>`,
    markup`<details><summary>Which, and why</summary>${scrolling('Failures', table)}${more > 0 && markup`<p class="note">And ${more} more.</p>`}</details>`,
  )
}

function footer(facts: RunFacts): Markup {
  const list = (entries: readonly (readonly [string, string])[]): Markup =>
    markup`<table><tbody>${entries.map(([key, value]) => markup`<tr><th scope="row">${name(key)}</th><td><code>${value}</code></td></tr>`)}</tbody></table>`
  const digests = Object.entries(facts.digests)
  return markup`<footer><details><summary>Environment and inputs</summary>${scrolling(
    'Environment',
    list([...Object.entries(facts.environment), ['slots', `${facts.slots}`]]),
  )}${choiceNotes(facts).map(note => markup`<p class="note">${note}</p>`)}${digests.length > 0 && scrolling('Inputs', list(digests))}</details></footer>`
}
