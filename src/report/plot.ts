import { arrow, plural } from './format.ts'
import type { FrontFacts } from './front-facts.ts'
import { displayWidth, pad, printable } from './plain-text.ts'
import { focus, linearScale, type Scale, tickLabel } from './scale.ts'
import { type Paint, unpainted } from './table.ts'

export interface PlotOptions {
  readonly width: number // columns, legend and labels included; ≥ 40
  readonly height: number // lines of the plotting area, ≥ 4
  readonly ascii?: boolean
  readonly paint?: Paint
  /** Two objectives, x and y; the first two by default. */
  readonly objectives?: readonly [number, number]
}

/** Bits of the braille block U+2800, by row and column of its 4 × 2 dots. */
const BRAILLE = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const

/**
 * Scatter plot of the search split in characters: dominated trials as dots, eight to a character; the front, the winner and the baselines as marks. The
 * marks differ in shape, not in colour alone. '' for a run with a single objective or without a scored trial.
 */
export function renderPlot(facts: FrontFacts, options: PlotOptions): string {
  const { ascii = false, paint = unpainted } = options
  const [ix, iy] = options.objectives ?? [0, 1]
  const [xObjective, yObjective] = [facts.objectives[ix], facts.objectives[iy]]
  if (xObjective === undefined || yObjective === undefined || facts.points.length === 0) return ''

  const baselines = facts.baselines.flatMap(({ best, role, label, scores: { search } }) =>
    best && search?.status === 'scored' ? [{ role, label, values: search.values }] : [],
  )
  const winner = facts.winner?.candidate.scores.search
  const won = winner?.status === 'scored' ? [winner] : []
  const always = [...facts.points.filter(point => point.onFront), ...baselines, ...won].map(point => point.values)
  const axisOf = (i: number, count: number): Scale => {
    const values = facts.points.map(point => point.values[i]!)
    const kept = always.map(point => point[i]!)
    return linearScale(focus(values, kept, facts.objectives[i]!.direction), { count: Math.max(2, count) })
  }
  const x = axisOf(ix, options.width / 16)
  const y = axisOf(iy, options.height / 4)
  const inside = (values: readonly number[]): boolean =>
    [x.position(values[ix]!), y.position(values[iy]!)].every(position => position >= 0 && position <= 1)
  const yLabels = y.ticks.map(tick => tickLabel(y, tick))
  const gutter = Math.max(...yLabels.map(displayWidth)) + 2
  const columns = Math.max(10, options.width - gutter)
  const rows = options.height
  const cellOf = (values: readonly number[]): readonly [column: number, row: number] => [
    Math.min(columns - 1, Math.floor(x.position(values[ix]!) * columns)),
    Math.min(rows - 1, Math.floor((1 - y.position(values[iy]!)) * rows)),
  ]

  const dots = new Uint8Array(rows * columns)
  let beyond = 0
  for (const { values, onFront } of facts.points) {
    if (onFront) continue
    if (!inside(values)) {
      beyond++
      continue
    }
    const column = Math.min(2 * columns - 1, Math.floor(x.position(values[ix]!) * 2 * columns))
    const row = Math.min(4 * rows - 1, Math.floor((1 - y.position(values[iy]!)) * 4 * rows))
    dots[(row >> 2) * columns + (column >> 1)]! |= BRAILLE[row & 3]![column & 1]!
  }
  const cells = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column): string => {
      const bits = dots[row * columns + column]!
      return bits === 0 ? ' ' : paint('dim', ascii ? '.' : String.fromCodePoint(0x2800 + bits))
    }),
  )
  // Later marks lie on top: the winner last.
  const mark = (values: readonly number[], text: string): void => {
    const [column, row] = cellOf(values)
    cells[row]![column] = text
  }
  const front = paint('cyan', ascii ? 'o' : '●')
  for (const { values, onFront } of facts.points) if (onFront) mark(values, front)
  const legend: string[] = []
  if (facts.points.some(point => !point.onFront)) legend.push(`${paint('dim', ascii ? '.' : '⠂')} trial`)
  legend.push(`${front} front`)
  baselines.forEach(({ label, values }, k) => {
    const letter = paint('yellow', String.fromCharCode(65 + (k % 26)))
    mark(values, letter)
    legend.push(`${letter} ${printable(label, 30)}`)
  })
  for (const { values } of won) {
    const star = paint('bold', ascii ? '*' : '★')
    mark(values, star)
    legend.splice(2, 0, `${star} winner`)
  }

  if (beyond > 0) legend.push(`${plural(beyond, 'trial')} beyond the axes`)

  const lines = cells.map((line, row) => {
    const tick = y.ticks.findIndex(value => Math.min(rows - 1, Math.floor((1 - y.position(value)) * rows)) === row)
    const label = pad(tick < 0 ? '' : yLabels[tick]!, gutter - 2, 'right')
    return `${label} ${tick < 0 ? (ascii ? '|' : '│') : ascii ? '+' : '┤'}${line.join('')}`.trimEnd()
  })
  const { axis, labels } = xAxis(x, columns, ascii)
  const margin = ' '.repeat(gutter - 1)
  const title = (text: string): string => printable(text, options.width - gutter)
  return [
    `${margin}${title(`${arrow(yObjective, ascii)} ${yObjective.name}`)}`,
    ...lines,
    `${margin}${axis}`,
    `${margin}${labels}`,
    `${margin} ${pad(title(`${xObjective.name} ${arrow(xObjective, ascii)}`), columns, 'right')}`,
    ...legendLines(legend, options.width, margin),
  ]
    .map(line => line.trimEnd())
    .join('\n')
}

function xAxis(x: Scale, columns: number, ascii: boolean): { axis: string; labels: string } {
  const axis = Array<string>(columns).fill(ascii ? '-' : '─')
  let labels = ''
  for (const tick of x.ticks) {
    const column = Math.min(columns - 1, Math.floor(x.position(tick) * columns))
    axis[column] = ascii ? '+' : '┬'
    const text = tickLabel(x, tick)
    // Under its tick, the axis's corner counting as one column; left out where the one before is too near.
    const start = Math.min(columns + 1 - text.length, Math.max(0, column + 1 - Math.floor(text.length / 2)))
    if (start > labels.length || (start === 0 && labels === '')) labels = labels.padEnd(start) + text
  }
  return { axis: `${ascii ? '+' : '└'}${axis.join('')}`, labels }
}

/** Entries side by side; the escapes of painted marks take no columns. */
function legendLines(entries: readonly string[], width: number, margin: string): string[] {
  const lines: string[] = []
  let line = margin
  for (const entry of entries) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: measuring what a terminal shows.
    const visible = (text: string): number => displayWidth(text.replace(/\u001b\[\d+m/g, ''))
    if (line !== margin && visible(line) + 3 + visible(entry) > width) {
      lines.push(line)
      line = margin
    }
    line = line === margin ? `${margin} ${entry}` : `${line}   ${entry}`
  }
  return [...lines, line]
}
