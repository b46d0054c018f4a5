import type { RunFacts } from './facts.ts'
import { comparisonNote, formatP, formatSigned, type NumberFormat, numberFormat, verdictMark } from './format.ts'
import { printable, wrap } from './plain-text.ts'
import { contenderNote } from './summary.ts'
import { type Cell, type Column, formatTable, unpainted } from './table.ts'
import {
  intervalText,
  meanOf,
  objectiveColumn,
  type TextOptions,
  tableOptions,
  valuesOf,
  withInterval,
} from './text-parts.ts'

/** The winner and its baselines on the holdout split, and what may be claimed. */
export function renderWinner(facts: RunFacts, options: TextOptions): string {
  const { winner, baselines, objectives } = facts
  if (winner === undefined)
    return wrap('No winner is named yet: that happens when the search ends.', options.width).join('\n')
  const paint = options.paint ?? unpainted
  const lines = [paint('bold', `Winner: candidate ${winner.candidate.id}`)]
  if (winner.rule !== '') lines.push(...wrap(`Chosen by: ${printable(winner.rule, 400)}`, options.width))
  const note = contenderNote(facts)
  if (note !== undefined) lines.push(...wrap(note, options.width))
  if (winner.candidate.scores.holdout === undefined) {
    lines.push('', ...wrap('It has no holdout scores: nothing can be claimed about it.', options.width))
    return lines.join('\n')
  }
  const rows = [
    { label: 'winner', scores: winner.candidate.scores.holdout },
    ...baselines.filter(b => b.best).map(({ label, scores }) => ({ label, scores: scores.holdout })),
  ].filter(row => row.scores !== undefined)
  const formats = objectives.map((_, i) => numberFormat(rows.flatMap(row => valuesOf(row.scores, i))))
  const means = rows.map(row => meanOf(row.scores))
  const meanFormat = numberFormat(means.filter(mean => mean !== undefined))
  const withMean = means.some(mean => mean !== undefined)
  const columns: Column[] = [
    { header: '', align: 'left' },
    ...(withMean ? [{ header: 'mean', align: 'left' } as const] : []),
    ...objectives.map(objective => objectiveColumn(objective, 'left', options)),
  ]
  const table = rows.map(({ label, scores }, k) => {
    const cells =
      scores?.status === 'failed'
        ? [`failed: ${scores.kind}`]
        : [
            ...(withMean ? [withInterval(means[k], scores?.mean?.interval, meanFormat, options)] : []),
            ...objectives.map((_, i) =>
              withInterval(valuesOf(scores, i)[0], scores?.intervals[i], formats[i]!, options),
            ),
          ]
    const all = [printable(label), ...cells, ...Array<string>(columns.length).fill('')].slice(0, columns.length)
    return all.map((text): Cell => (k === 0 ? { text, style: 'bold' } : text))
  })
  lines.push('', ...wrap('Holdout split, with 95 % intervals:', options.width), '')
  lines.push(formatTable(columns, table, tableOptions(options)))
  if (facts.comparisons.length > 0) lines.push('', ...comparisons(facts, options))
  return lines.join('\n')
}

function comparisons(facts: RunFacts, options: TextOptions): string[] {
  const ascii = options.ascii ?? false
  const tested = facts.comparisons.flatMap(({ overall }) => ('p' in overall ? [overall] : []))
  const format = numberFormat(tested.flatMap(t => [t.gain, t.interval?.low ?? 0, t.interval?.high ?? 0]))
  const signed: NumberFormat = value => formatSigned(value, format)
  const rows = facts.comparisons.map(({ baseline, overall }): Cell[] => {
    const label = printable(facts.baselines.find(b => b.name === baseline)?.label ?? baseline)
    if (!('p' in overall)) return [label, `not tested: ${printable(overall.reason, 120)}`, '', '', '']
    const { verdict } = overall
    return [
      label,
      {
        text: `${verdictMark(verdict, ascii)} ${verdict}`,
        style: verdict === 'better' ? 'green' : verdict === 'worse' ? 'red' : 'dim',
      },
      formatP(overall.correctedP),
      signed(overall.gain),
      intervalText(overall.interval, signed, ascii),
    ]
  })
  const columns: Column[] = [
    { header: 'against', align: 'left' },
    { header: 'the winner is', align: 'left' },
    { header: 'p', align: 'right' },
    { header: 'gain', align: 'right' },
    { header: '95 % interval', align: 'left' },
  ]
  return [formatTable(columns, rows, tableOptions(options)), '', ...wrap(comparisonNote(facts), options.width)]
}
