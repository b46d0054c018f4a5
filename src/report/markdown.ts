import type { RunFacts } from './facts.ts'
import {
  arrow,
  comparisonNote,
  formatDuration,
  formatInterval,
  formatNumber,
  formatP,
  formatSigned,
  type NumberFormat,
  numberFormat,
  plural,
  verdictMark,
} from './format.ts'
import { stringify } from './json.ts'
import { printable } from './plain-text.ts'
import { choiceNotes, contenderNote, headline, searchNotes } from './summary.ts'
import { meanOf, valuesOf, withInterval } from './text-parts.ts'

/** The report as Markdown (GitHub's tables), to be read where HTML is not: a merge request, a model card. */
export function renderMarkdown(facts: RunFacts): string {
  const { counts } = facts
  const details = [
    `strategy ${escapeMarkdown(facts.strategy)}`,
    `seed ${facts.seed}`,
    `${counts.told} of ${plural(facts.budget, 'evaluation')}${counts.failed > 0 ? `, ${counts.failed} failed` : ''}`,
    `hypervolume ${formatNumber(facts.hypervolume)}`,
    ...(facts.timing === undefined ? [] : [`${formatDuration(facts.timing.totalMs)} per candidate (median)`]),
  ]
  return `${[
    `# ${escapeMarkdown(facts.run)}`,
    `${details.join(' · ')}.`,
    escapeMarkdown(headline(facts), Infinity),
    ...searchNotes(facts).map(note => escapeMarkdown(note, Infinity)),
    ...holdout(facts),
    ...comparisons(facts),
    ...front(facts),
    ...recipe(facts),
    ...choices(facts),
  ].join('\n\n')}\n`
}

function holdout(facts: RunFacts): string[] {
  const { winner, objectives } = facts
  if (winner?.candidate.scores.holdout === undefined) return []
  const rows = [
    { label: `**candidate ${winner.candidate.id}**`, scores: winner.candidate.scores.holdout },
    ...facts.baselines
      .filter(baseline => baseline.best && baseline.scores.holdout !== undefined)
      .map(({ label, scores }) => ({ label: escapeMarkdown(label), scores: scores.holdout })),
  ]
  const formats = objectives.map((_, i) => numberFormat(rows.flatMap(row => valuesOf(row.scores, i))))
  const means = rows.map(row => meanOf(row.scores))
  const meanFormat = numberFormat(means.filter(mean => mean !== undefined))
  const withMean = means.some(mean => mean !== undefined)
  const body = rows.map(({ label, scores }, k) => [
    label,
    ...(scores?.status === 'failed'
      ? [`failed: ${scores.kind}`, ...Array<string>(objectives.length - (withMean ? 0 : 1)).fill('')]
      : [
          ...(withMean ? [withInterval(means[k], scores?.mean?.interval, meanFormat, {})] : []),
          ...objectives.map((_, i) => withInterval(valuesOf(scores, i)[0], scores?.intervals[i], formats[i]!, {})),
        ]),
  ])
  const head = [
    '',
    ...(withMean ? ['mean'] : []),
    ...objectives.map(o => `${escapeMarkdown(o.name)} ${arrow(o, false)}`),
  ]
  const rule = winner.rule === '' ? '' : ` Chosen by: ${escapeMarkdown(winner.rule, 400)}.`
  const note = contenderNote(facts)
  const how = `With 95 % intervals.${rule}${note === undefined ? '' : ` ${escapeMarkdown(note, Infinity)}`}`
  return ['## Held-out examples', how, table(head, body)]
}

function comparisons(facts: RunFacts): string[] {
  if (facts.comparisons.length === 0) return []
  const tested = facts.comparisons.flatMap(({ overall }) => ('p' in overall ? [overall] : []))
  const format = numberFormat(tested.flatMap(t => [t.gain, t.interval?.low ?? 0, t.interval?.high ?? 0]))
  const signed: NumberFormat = value => formatSigned(value, format)
  const rows = facts.comparisons.map(({ baseline, overall }) => {
    const label = escapeMarkdown(facts.baselines.find(b => b.name === baseline)?.label ?? baseline)
    if (!('p' in overall)) return [label, `not tested: ${escapeMarkdown(overall.reason, 200)}`, '', '', '']
    return [
      label,
      `${verdictMark(overall.verdict, false)} ${overall.verdict}`,
      formatP(overall.correctedP).replace('<', '&lt;'),
      signed(overall.gain),
      formatInterval(overall.interval, signed),
    ]
  })
  return [
    table(['against', 'the winner is', 'p', 'gain', '95 % interval'], rows),
    escapeMarkdown(comparisonNote(facts), Infinity),
  ]
}

function front(facts: RunFacts): string[] {
  const { objectives } = facts
  if (facts.front.length === 0) return []
  const scores = facts.front.map(candidate => candidate.scores.search)
  const formats = objectives.map((_, i) => numberFormat(scores.flatMap(s => valuesOf(s, i))))
  const rows = facts.front.map(({ id }, row) => [
    id === facts.winner?.candidate.id ? `**${id}**` : `${id}`,
    ...objectives.map((_, i) => valuesOf(scores[row], i).map(formats[i]!)[0] ?? ''),
  ])
  return [
    '## Front',
    `${plural(facts.front.length, 'candidate')} that no other dominates, on the search split.`,
    table(['candidate', ...objectives.map(o => `${escapeMarkdown(o.name)} ${arrow(o, false)}`)], rows),
  ]
}

function recipe(facts: RunFacts): string[] {
  const found = facts.winner?.candidate.recipe
  // JSON escapes every line break inside a string, so no line of it can close the fence.
  return found === undefined ? [] : ['## Recipe of the winner', `\`\`\`json\n${stringify(found)}\n\`\`\``]
}

function choices(facts: RunFacts): string[] {
  const notes = choiceNotes(facts).map(note => `- ${escapeMarkdown(note, Infinity)}`)
  return notes.length === 0 ? [] : ['## How candidates were scored', notes.join('\n')]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, k) => (k === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n')
}

/** Text from outside as plain text: CommonMark lets every ASCII punctuation character be escaped. */
export function escapeMarkdown(text: string, limit?: number): string {
  return printable(text, limit)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replace(/[\\`*_{}[\]()#+!|~>$@:=]/g, '\\$&')
    .replace(/^([-.\d]*)([-.])/, '$1\\$2')
}
