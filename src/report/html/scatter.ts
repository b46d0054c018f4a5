import type { Objective } from '../../objective.ts'
import type { RunFacts } from '../facts.ts'
import { arrow, numberFormat, plural } from '../format.ts'
import { printable } from '../plain-text.ts'
import { focus, linearScale, type Scale } from '../scale.ts'
import {
  chart,
  chartArea,
  diamond,
  type Label,
  placeLabels,
  shortLabel,
  star,
  xAxis,
  xOf,
  yAxis,
  yOf,
} from './chart.ts'
import { type Markup, markup, px } from './markup.ts'

/** More pairs of objectives than this would be a wall of charts. */
export const MAX_PAIRS = 6

export function objectivePairs(m: number): (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = []
  for (let i = 0; i < m; i++) for (let j = i + 1; j < m; j++) pairs.push([i, j])
  return pairs.slice(0, MAX_PAIRS)
}

/** Search split: all scored trials, the front, the winner and the baselines on two objectives. */
export function scatterChart(facts: RunFacts, [ix, iy]: readonly [number, number]): Markup {
  const [xObjective, yObjective] = [facts.objectives[ix]!, facts.objectives[iy]!]
  const area = chartArea(460, 370)
  const baselines = facts.baselines.flatMap(({ best, label, scores: { search } }) =>
    best && search?.status === 'scored' ? [{ label, values: search.values }] : [],
  )
  const search = facts.winner?.candidate.scores.search
  const winners = search?.status === 'scored' ? [search.values] : []
  const front = facts.points.filter(point => point.onFront)
  const always = [...front.map(point => point.values), ...baselines.map(baseline => baseline.values), ...winners]
  const scaleOf = (i: number): Scale =>
    linearScale(
      focus(
        facts.points.map(point => point.values[i]!),
        always.map(values => values[i]!),
        facts.objectives[i]!.direction,
      ),
      { count: 5 },
    )
  const [x, y] = [scaleOf(ix), scaleOf(iy)]
  const at = (values: readonly number[]): readonly [number, number] => [
    xOf(area, x, values[ix]!),
    yOf(area, y, values[iy]!),
  ]
  const inside = (values: readonly number[]): boolean =>
    [x.position(values[ix]!), y.position(values[iy]!)].every(position => position >= 0 && position <= 1)

  const dominated = facts.points.filter(point => !point.onFront)
  const seen = dominated.filter(point => inside(point.values))
  // One path of zero-length strokes with round caps: twelve bytes a trial.
  const cloud = seen.map(({ values }) => `M${at(values).map(px).join(' ')}h0`).join('')
  const formats = facts.objectives.map((_, i) => numberFormat(facts.points.map(point => point.values[i]!)))
  const tooltip = (label: string, values: readonly number[]): Markup =>
    markup`<title>${label}: ${facts.objectives.map((o, i) => `${printable(o.name)} ${formats[i]!(values[i]!)}`).join(', ')}</title>`
  const frontMarks = front.map(({ id, values }) => {
    const [cx, cy] = at(values)
    return markup`<circle class="front" cx="${px(cx)}" cy="${px(cy)}" r="4.5">${tooltip(`candidate ${id}`, values)}</circle>`
  })
  const baselineMarks = baselines.map(({ label, values }) => {
    const [cx, cy] = at(values)
    return markup`<path class="baseline" d="${diamond(cx, cy, 5)}">${tooltip(label, values)}</path>`
  })
  const winnerMarks = winners.map(values => {
    const [cx, cy] = at(values)
    return markup`<path class="winner" d="${star(cx, cy, 9)}">${tooltip('winner', values)}</path>`
  })
  const labels: Label[] = [
    ...winners.map((values): Label => ({ x: at(values)[0], y: at(values)[1], text: 'winner', kind: 'winner' })),
    ...baselines.map(
      ({ label, values }): Label => ({
        x: at(values)[0],
        y: at(values)[1],
        text: shortLabel(label),
        kind: 'other',
      }),
    ),
  ]
  const beyond = dominated.length - seen.length
  const title = (i: number): string =>
    `${printable(facts.objectives[i]!.name, 40)} ${arrow(facts.objectives[i]!, false)}`
  const marked = [...front.map(point => point.values), ...baselines.map(b => b.values), ...winners].map(at)
  const description = `Scatter plot of ${printable(yObjective.name)} against ${printable(xObjective.name)} for ${plural(facts.points.length, 'trial')}.`
  return markup`<figure>${chart(area, description, [
    xAxis(area, x, title(ix)),
    yAxis(area, y, title(iy)),
    markup`<path class="cloud" d="${cloud}"/>`,
    facts.objectives.length === 2 &&
      stairs(
        front.map(point => at(point.values)),
        xObjective.direction,
      ),
    frontMarks,
    baselineMarks,
    winnerMarks,
    placeLabels(area, labels, marked),
  ])}${beyond > 0 && markup`<figcaption>${plural(beyond, 'trial')} beyond the axes.</figcaption>`}</figure>`
}

/** What the marks are, once for all charts. */
export function scatterLegend(facts: RunFacts): string {
  const baselines = facts.baselines.length > 0 ? ', diamonds are baselines' : ''
  const winner = facts.winner === undefined ? '' : ', the star is the winner'
  return `Grey dots are trials, blue ones the front${winner}${baselines}.`
}

/** With two objectives the front bounds what is dominated: a staircase through its points, from left to right. */
function stairs(points: readonly (readonly [number, number])[], xDirection: Objective['direction']): Markup {
  const sorted = [...points].sort((a, b) => a[0] - b[0])
  const path = sorted.map(([x, y], k) => {
    if (k === 0) return `M${px(x)} ${px(y)}`
    // Between two points counts the one that is at least as good in x: the right one when x is maximised.
    return xDirection === 'maximize' ? `V${px(y)}H${px(x)}` : `H${px(x)}V${px(y)}`
  })
  return markup`<path class="stairs" d="${path.join('')}"/>`
}
