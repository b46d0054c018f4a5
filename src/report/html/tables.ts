import type { CandidateFacts, CoefficientTable } from '../candidate-facts.ts'
import type { RunFacts } from '../facts.ts'
import {
  arrow,
  formatInterval,
  formatNumber,
  formatP,
  formatSigned,
  type NumberFormat,
  numberFormat,
  verdictMark,
} from '../format.ts'
import { printable } from '../plain-text.ts'
import { linearScale } from '../scale.ts'
import type { ScoresBySplit, SplitScores } from '../split-scores.ts'
import { gainCell } from './forest.ts'
import { type Child, type Markup, markup, name } from './markup.ts'

const SPLITS = ['search', 'select', 'holdout'] as const

/** A typographic minus, as wide as a plus. */
const minus = (text: string): string => text.replace('-', '−')

/** A table that scrolls sideways by itself, reachable with the keyboard. */
export function scrolling(label: string, table: Markup): Markup {
  return markup`<div class="scroll" role="region" aria-label="${label}" tabindex="0">${table}</div>`
}

export function comparisonTable(facts: RunFacts): Markup {
  const tested = facts.comparisons.flatMap(({ overall }) => ('p' in overall ? [overall] : []))
  const numbers = tested.flatMap(({ gain, interval }) => [gain, interval?.low ?? gain, interval?.high ?? gain])
  const scale = linearScale([0, ...numbers], { margin: 0.02 })
  const format = numberFormat(numbers)
  const signed: NumberFormat = value => minus(formatSigned(value, format))
  const rows = facts.comparisons.map(({ baseline, overall }) => {
    const label = facts.baselines.find(b => b.name === baseline)?.label ?? baseline
    if (!('p' in overall))
      return markup`<tr><th scope="row">${name(label)}</th><td colspan="5"><span class="verdict unclear">not tested: ${overall.reason}</span></td></tr>`
    const kind = overall.verdict === 'not distinguishable' ? 'unclear' : overall.verdict
    return markup`<tr><th scope="row">${name(label)}</th><td><span class="verdict ${kind}">${verdictMark(overall.verdict, false)} ${
      overall.verdict
    }</span></td><td class="n">${formatP(overall.correctedP)}</td><td class="n">${signed(overall.gain)}</td><td>${gainCell(
      scale,
      overall,
    )}</td><td class="range">${formatInterval(overall.interval, signed)}</td></tr>`
  })
  return scrolling(
    'The winner against each baseline',
    markup`<table><thead><tr><th scope="col">against</th><th scope="col">the winner is</th><th scope="col" class="n">p</th><th scope="col" class="n">gain</th><th scope="col" colspan="2">gain with 95 % interval; dotted: no difference</th></tr></thead><tbody>${rows}</tbody></table>`,
  )
}

/** The other members of the front on `select`: where there are intervals. */
export function contenderTable({ contenders }: Pick<RunFacts, 'contenders'>): Markup | undefined {
  if (contenders === undefined || 'reason' in contenders.behind || contenders.behind.length === 0) return undefined
  const format = numberFormat(
    contenders.behind.flatMap(({ difference, interval }) => [difference, interval.low, interval.high]),
  )
  const signed: NumberFormat = value => minus(formatSigned(value, format))
  const rows = contenders.behind.map(
    ({ id, difference, interval, isLevel }) =>
      markup`<tr><th scope="row">${id}</th><td class="n">${signed(difference)}</td><td class="range">${formatInterval(interval, signed)}</td><td>${isLevel ? 'not told from it' : 'behind'}</td></tr>`,
  )
  return scrolling(
    'The front behind the winner on select',
    markup`<table><thead><tr><th scope="col">candidate</th><th scope="col" class="n">scalarised loss beyond the winner’s</th><th scope="col">simultaneous 95 % interval</th><th scope="col"></th></tr></thead><tbody>${rows}</tbody></table>`,
  )
}

interface ModelRow {
  readonly label: Child
  readonly winner: boolean
  readonly scores: ScoresBySplit
}

/** Values of several models on every split that was scored. */
function scoresTable(label: string, facts: RunFacts, rows: readonly ModelRow[]): Markup {
  const splits = SPLITS.filter(split => rows.some(row => row.scores[split] !== undefined))
  const { objectives } = facts
  const formats = objectives.map((_, i) =>
    numberFormat(rows.flatMap(row => splits.flatMap(split => scored(row.scores[split])?.values[i] ?? []))),
  )
  const group = objectives.length > 1 && splits.length > 1
  const head = group
    ? markup`<tr><th></th>${splits.map(split => markup`<th scope="colgroup" class="g" colspan="${objectives.length}">${split}</th>`)}</tr>`
    : ''
  const columns = splits.flatMap(split =>
    objectives.map(
      (objective, i) =>
        markup`<th scope="col" class="${i === 0 ? 'n g' : 'n'}">${objectives.length > 1 ? name(objective.name) : split} ${arrow(objective, false)}</th>`,
    ),
  )
  const body = rows.map(row => {
    const cells = splits.map(split => {
      const scores = row.scores[split]
      if (scores?.status === 'failed')
        return markup`<td class="n" colspan="${objectives.length}"><span class="range">failed: ${scores.kind}</span></td>`
      return objectives.map(
        (_, i) =>
          markup`<td class="${i === 0 ? 'n g' : 'n'}">${scores === undefined ? '' : minus(formats[i]!(scores.values[i]!))}</td>`,
      )
    })
    return markup`<tr${row.winner ? markup` class="is-winner"` : ''}><th scope="row">${row.label}</th>${cells}</tr>`
  })
  return scrolling(
    label,
    markup`<table><thead>${head}<tr><th></th>${columns}</tr></thead><tbody>${body}</tbody></table>`,
  )
}

function scored(scores: SplitScores | undefined): Extract<SplitScores, { status: 'scored' }> | undefined {
  return scores?.status === 'scored' ? scores : undefined
}

/** A longer front is folded away. */
const OPEN_ROWS = 25

export function frontTable(facts: RunFacts): Markup {
  const rowOf = ({ id, scores }: CandidateFacts): ModelRow => {
    const winner = id === facts.winner?.candidate.id
    return { label: winner ? markup`★ ${id}` : id, winner, scores }
  }
  const table = scoresTable('The front', facts, facts.front.map(rowOf))
  if (facts.front.length <= OPEN_ROWS) return table
  return markup`<details><summary>All ${facts.front.length} candidates of the front</summary>${table}</details>`
}

export function baselineTable(facts: RunFacts): Markup {
  const { winner } = facts
  return scoresTable('Winner and baselines', facts, [
    ...(winner === undefined ? [] : [{ label: '★ winner', winner: true, scores: winner.candidate.scores }]),
    ...facts.baselines.map(({ label, role, best, name: recorded, scores }) => ({
      label: role === 'scale' && !best ? name(recorded.replace('scale-', 'single scale ')) : name(label),
      winner: false,
      scores,
    })),
  ])
}

/** Coefficients of the winner: a cell's tint is its share of the largest, blue for positive, orange for negative. */
export function heatmap(table: CoefficientTable): Markup {
  const values = table.rows.flatMap(row => row.values.filter(value => value !== undefined))
  const largest = Math.max(0, ...values.map(Math.abs))
  const format = numberFormat(values)
  const parameters = new Set(table.columns.map(column => column.parameter))
  const head = table.columns.map(
    ({ source, parameter }) =>
      markup`<th scope="col">${name(source)}${parameters.size > 1 && markup`<br><span class="range">${name(parameter)}</span>`}</th>`,
  )
  const settings = table.settings.map(setting => markup`<th scope="col">${name(setting)}</th>`)
  const rows = table.rows.map(row => {
    const own = row.settings.map(
      value =>
        markup`<td>${typeof value === 'number' ? minus(formatNumber(value)) : printable(`${value ?? ''}`, 40)}</td>`,
    )
    const cells = row.values.map(value => {
      if (value === undefined) return markup`<td></td>`
      const strength = largest === 0 ? 0 : Math.round((10 * Math.abs(value)) / largest)
      return markup`<td class="k${strength}${value < 0 ? ' minus' : ''}">${minus(format(value))}</td>`
    })
    return markup`<tr><th scope="row">${name(row.label)}</th>${own}${cells}</tr>`
  })
  return scrolling(
    'Coefficients',
    markup`<table class="heat"><thead><tr><th></th>${settings}${head}</tr></thead><tbody>${rows}</tbody></table>`,
  )
}
