import { toLoss } from '../../objective.ts'
import type { RunFacts } from '../facts.ts'
import { numberFormat } from '../format.ts'
import type { HistoryPoint } from '../history.ts'
import { printable } from '../plain-text.ts'
import { focus, linearScale } from '../scale.ts'
import { chart, chartArea, xAxis, xOf, yAxis, yOf } from './chart.ts'
import { type Markup, markup, px } from './markup.ts'

interface Series {
  readonly label: string
  readonly kind: 'curve' | 'random'
  readonly points: readonly (readonly [evaluations: number, value: number])[]
}

/** What the search had found after so many evaluations: hypervolume, and the best scalarised value. */
export function historyCharts(facts: RunFacts): Markup[] {
  const histories = [
    { label: facts.strategy, kind: 'curve' as const, history: facts.history },
    { label: 'random search', kind: 'random' as const, history: facts.randomHistory ?? [] },
  ].filter(({ history }) => history.length > 0)
  const only = facts.objectives.length === 1 ? facts.objectives[0] : undefined
  const series = (pick: (point: HistoryPoint) => number | undefined): Series[] =>
    histories.map(({ label, kind, history }) => ({
      label,
      kind,
      points: history.flatMap((point): [number, number][] => {
        const value = pick(point)
        return value === undefined ? [] : [[point.evaluations, value]]
      }),
    }))
  const best =
    only === undefined
      ? curveChart(
          'best scalarised loss ↓',
          series(point => point.best),
          'minimize',
        )
      : curveChart(
          `best ${only.name} ${only.direction === 'maximize' ? '↑' : '↓'}`,
          series(point => (point.best === undefined ? undefined : toLoss(only, point.best))),
          only.direction,
        )
  // With one objective the hypervolume is the same curve again.
  return only === undefined
    ? [
        curveChart(
          'hypervolume ↑',
          series(point => point.hypervolume),
          'maximize',
        ),
        best,
      ]
    : [best]
}

function curveChart(title: string, all: readonly Series[], direction: 'maximize' | 'minimize'): Markup {
  const series = all.filter(({ points }) => points.length > 0)
  const area = chartArea(460, 270, { right: 16 })
  const longest = Math.max(1, ...series.map(({ points }) => points.at(-1)![0]))
  const x = linearScale([0, longest], { margin: 0 })
  const values = series.flatMap(({ points }) => points.map(point => point[1]))
  const format = numberFormat(values)
  const ends = series.map(({ points }) => points.at(-1)![1])
  const y = linearScale(focus(values, ends, direction), { margin: 0.12 })
  const lines = series.map(({ kind, points }) => {
    const steps = points.flatMap(([evaluations, value], k) => {
      const [cx, cy] = [px(xOf(area, x, evaluations)), px(yOf(area, y, value))]
      if (k === 0) return [`M${cx} ${cy}`]
      const changed = value !== points[k - 1]![1]
      return changed || k === points.length - 1 ? [`H${cx}${changed ? `V${cy}` : ''}`] : []
    })
    return markup`<path class="${kind}" d="${steps.join('')}"/>`
  })
  // The upper curve's label stands above its end, the others' below theirs.
  const heights = series.map(({ points }) => yOf(area, y, points.at(-1)![1]))
  const upper = heights.indexOf(Math.min(...heights))
  const labels = series.map(({ label, kind, points }, k) => {
    const text = `${printable(label, 24)} ${format(points.at(-1)![1])}`
    const height = heights[k]! + (k === upper ? -7 : 15)
    return markup`<text class="halo end ${kind === 'curve' ? 'of-front' : 'of-other'}" x="${px(area.right)}" y="${px(height)}">${text}</text>`
  })
  const description = `${title} against evaluations: ${series.map(s => `${s.label} ends at ${format(s.points.at(-1)![1])}`).join('; ')}.`
  return markup`<figure>${chart(area, description, [xAxis(area, x, 'evaluations'), yAxis(area, y, title), lines, labels])}</figure>`
}
