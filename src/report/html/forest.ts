import type { RunFacts } from '../facts.ts'
import { arrow, numberFormat } from '../format.ts'
import type { Interval } from '../intervals.ts'
import { printable } from '../plain-text.ts'
import { linearScale, type Scale } from '../scale.ts'
import type { SplitScores } from '../split-scores.ts'
import { chart, chartArea, shortLabel, xAxis, xOf } from './chart.ts'
import { type Markup, markup, px } from './markup.ts'

interface Row {
  readonly label: string
  readonly winner: boolean
  readonly value: number
  readonly interval: Interval | undefined
}

const ROW = 25

/** The winner and its baselines on the holdout split: one chart per objective, and one for their mean, a line per model with its interval. */
export function holdoutCharts(facts: RunFacts): Markup[] {
  const models = [
    { label: 'winner', winner: true, scores: facts.winner?.candidate.scores.holdout },
    ...facts.baselines
      .filter(baseline => baseline.best)
      .map(({ label, scores }) => ({ label, winner: false, scores: scores.holdout })),
  ].flatMap(({ label, winner, scores }) => (scores?.status === 'scored' ? [{ label, winner, scores }] : []))
  if (!models.some(model => model.winner)) return []
  type Scored = Extract<SplitScores, { status: 'scored' }>
  const panel = (title: string, pick: (scores: Scored) => Omit<Row, 'label' | 'winner'> | undefined): Markup[] => {
    const rows = models.flatMap(({ label, winner, scores }): Row[] => {
      const row = pick(scores)
      return row === undefined ? [] : [{ label, winner, ...row }]
    })
    return rows.length === 0 ? [] : [forestChart(title, rows)]
  }
  return [
    ...panel('mean over objectives', scores => scores.mean),
    ...facts.objectives.flatMap((objective, i) =>
      panel(`${printable(objective.name, 40)} ${arrow(objective, false)}`, scores => ({
        value: scores.values[i]!,
        interval: scores.intervals[i],
      })),
    ),
  ]
}

function forestChart(title: string, rows: readonly Row[]): Markup {
  const area = chartArea(460, rows.length * ROW + 50, { left: 152, right: 58, bottom: 24 })
  const scale = linearScale(
    rows.flatMap(({ value, interval }) => [value, interval?.low ?? value, interval?.high ?? value]),
    { count: 4 },
  )
  const format = numberFormat(rows.map(row => row.value))
  const winner = rows.find(row => row.winner)
  const lines = rows.map(({ label, winner, value, interval }, k) => {
    const y = area.top + (k + 0.5) * ROW
    const kind = winner ? ' of-winner' : ''
    return markup`<text class="${winner ? 'of-winner' : 'of-other'}" x="0" y="${px(y + 4)}">${shortLabel(label)}</text>${
      interval && whisker(area, scale, interval, y, kind)
    }<circle class="dot${kind}" cx="${px(xOf(area, scale, value))}" cy="${px(y)}" r="4.25"/><text class="end ${
      winner ? 'of-winner' : 'of-other'
    }" x="${px(area.width)}" y="${px(y + 4)}">${format(value)}</text>`
  })
  const guide = winner && px(xOf(area, scale, winner.value))
  const description = `${title}: ${rows.map(row => `${row.label} ${format(row.value)}`).join(', ')}.`
  return markup`<figure>${chart(area, description, [
    xAxis(area, scale, ''),
    markup`<text class="title" x="0" y="13">${title}</text>`,
    guide !== undefined && markup`<path class="zero" d="M${guide} ${px(area.top)}V${px(area.bottom)}"/>`,
    lines,
  ])}</figure>`
}

function whisker(
  area: Parameters<typeof xOf>[0],
  scale: Scale,
  { low, high }: Interval,
  y: number,
  kind: string,
): Markup {
  const [left, right] = [px(xOf(area, scale, low)), px(xOf(area, scale, high))]
  return markup`<path class="whisker${kind}" d="M${left} ${px(y)}H${right}"/>`
}

export interface Gain {
  readonly gain: number
  readonly interval: Interval | undefined
  readonly verdict: 'better' | 'worse' | 'not distinguishable'
}

/** A gain with its interval against zero, small enough for a cell of a table. All cells of a table share `scale`. */
export function gainCell(scale: Scale, { gain, interval, verdict }: Gain): Markup {
  const area = { width: 176, height: 18, left: 4, right: 172, top: 0, bottom: 18 }
  const kind = verdict === 'not distinguishable' ? 'unclear' : verdict
  const zero = px(xOf(area, scale, 0))
  return chart(area, `${verdict}`, [
    markup`<path class="zero" d="M${zero} 0V18"/>`,
    interval && whisker(area, scale, interval, 9, ` of-${kind}`),
    markup`<circle class="dot of-${kind}" cx="${px(xOf(area, scale, gain))}" cy="9" r="4"/>`,
  ])
}
