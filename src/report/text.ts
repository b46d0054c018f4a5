import type { RunFacts } from './facts.ts'
import { formatDuration, formatNumber, numberFormat, plural } from './format.ts'
import type { FrontFacts } from './front-facts.ts'
import { printable, wrap } from './plain-text.ts'
import { renderPlot } from './plot.ts'
import { choiceNotes, searchNotes } from './summary.ts'
import { type Cell, type Column, formatTable, unpainted } from './table.ts'
import { meanOf, objectiveColumn, type TextOptions, tableOptions, valuesOf } from './text-parts.ts'
import { renderWinner } from './text-winner.ts'

const PLOT_HEIGHT = 14
const WIDEST_PLOT = 100

/** A note names at most so many knees. */
const MOST_KNEES = 5

/** A summary shows this much of a long front. */
const SUMMARY_ROWS = 12

/** `amalgam show <run>`, and the end of a search. */
export function renderRun(facts: RunFacts, options: TextOptions): string {
  const notes = choiceNotes(facts)
  const choices = ['How candidates were scored, as decided on the machine:', ...notes].flatMap(line =>
    wrap(line, options.width),
  )
  return [
    renderFront(facts, options, SUMMARY_ROWS),
    renderWinner(facts, options),
    ...(notes.length === 0 ? [] : [choices.join('\n')]),
  ].join('\n\n')
}

/**
 * `amalgam front`: what the search found, on the search split.
 * @param mostRows a longer front is thinned out evenly; its ends and the winner stay.
 */
export function renderFront(facts: FrontFacts, options: TextOptions, mostRows = Number.POSITIVE_INFINITY): string {
  const { front, objectives, winner } = facts
  if (front.length === 0)
    return [...heading(facts, options), '', 'No candidate was scored yet: the front is empty.'].join('\n')
  const search = front.map(candidate => candidate.scores.search)
  const formats = objectives.map((_, i) => numberFormat(search.flatMap(scores => valuesOf(scores, i))))
  const means = search.map(meanOf)
  const meanFormat = numberFormat(means.filter(mean => mean !== undefined))
  const withMean = means.some(mean => mean !== undefined)
  const columns: Column[] = [
    { header: 'candidate', align: 'right' },
    ...objectives.map(objective => objectiveColumn(objective, 'right', options)),
    ...(withMean ? [{ header: 'mean', align: 'right' } as const] : []),
  ]
  const shown = thinned(
    front.map((_, row) => row),
    mostRows,
    front.findIndex(({ id }) => id === winner?.candidate.id),
  )
  const rows = shown.map(row => {
    const { id } = front[row]!
    const won = id === winner?.candidate.id
    const cells = [
      `${won ? '* ' : ''}${id}`,
      ...objectives.map((_, i) => valuesOf(search[row], i).map(formats[i]!)[0] ?? ''),
      ...(withMean ? [means[row] === undefined ? '' : meanFormat(means[row])] : []),
    ]
    return cells.map((text): Cell => (won ? { text, style: 'bold' } : text))
  })
  const about = `${plural(front.length, 'candidate')} that no other dominates, on the search split.`
  const plot = renderPlot(facts, { ...options, width: Math.min(options.width, WIDEST_PLOT), height: PLOT_HEIGHT })
  return [
    ...heading(facts, options),
    '',
    ...wrap(
      [about, ...(winner === undefined ? [] : ['* is the winner.']), ...kneeNote(facts)].join(' '),
      options.width,
    ),
    '',
    ...(plot === '' ? [] : [plot, '']),
    formatTable(columns, rows, tableOptions(options)),
    ...(shown.length < front.length
      ? ['', ...wrap(`${front.length - shown.length} more: amalgam front ${printable(facts.run)}`, options.width)]
      : []),
  ].join('\n')
}

function kneeNote({ knees }: FrontFacts): string[] {
  if (knees.length === 0) return []
  return [`Where a little of one objective costs much of another: ${knees.slice(0, MOST_KNEES).join(', ')}.`]
}

/** At most `most` of the rows, evenly spaced, with the first, the last and `kept` (unless it is -1). */
function thinned(rows: readonly number[], most: number, kept: number): readonly number[] {
  if (rows.length <= most) return rows
  const chosen = new Set(Array.from({ length: most }, (_, i) => Math.round((i * (rows.length - 1)) / (most - 1))))
  if (kept >= 0) chosen.add(kept)
  return [...chosen].sort((a, b) => a - b)
}

/** What a run is and how far it got, in lines that fit. */
function heading(facts: FrontFacts, options: TextOptions): string[] {
  const paint = options.paint ?? unpainted
  const dot = options.ascii ? ' - ' : ' · '
  const { counts } = facts
  const details = [
    `${printable(facts.strategy)}, seed ${facts.seed}`,
    `${counts.told} of ${plural(facts.budget, 'evaluation')}${counts.failed > 0 ? `, ${counts.failed} failed` : ''}`,
    `hypervolume ${formatNumber(facts.hypervolume)}`,
    ...(facts.timing === undefined ? [] : [`${formatDuration(facts.timing.totalMs)} each (median)`]),
    facts.stopReason === undefined ? 'not ended' : `ended: ${printable(facts.stopReason.criterion)}`,
  ]
  return [
    paint('bold', printable(`Run ${facts.run}`, options.width)),
    ...wrap(details.join(dot), options.width),
    ...searchNotes(facts).flatMap(note => wrap(note, options.width)),
  ]
}
