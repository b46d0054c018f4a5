// Line plots as SVG: one or several panels, readable on light and dark pages, series told apart by colour and dash.
import { mkdirSync, writeFileSync } from 'node:fs'
import { RESULTS } from './lines.mjs'

/** Okabe and Ito's palette without black and yellow: told apart with any colour vision. */
const COLOURS = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#56B4E9', '#E69F00']
const DASHES = ['', '6 3', '2 3', '8 3 2 3']

const PANEL = { width: 300, height: 190, left: 52, right: 10, top: 26, bottom: 38 }

/**
 * @typedef {{ name: string, points: [number, number][] }} Series
 * @typedef {{ title: string, x: string, y: string, series: Series[], logX?: boolean, logY?: boolean, range?: [number, number] }} Panel
 */

/** Writes bench/results/search/plots/<name>.svg. @param {string} name @param {Panel[]} panels @param {number} [columns] */
export function writePlot(name, panels, columns = Math.min(3, panels.length)) {
  const names = [...new Set(panels.flatMap(panel => panel.series.map(series => series.name)))]
  const style = new Map(names.map((series, i) => [series, styleOf(i)]))
  const rows = Math.ceil(panels.length / columns)
  const legendRows = Math.ceil(names.length / (columns * 2))
  const width = columns * PANEL.width
  const height = rows * PANEL.height + legendRows * 18 + 8
  const body = [
    ...panels.map((panel, i) => {
      const x = (i % columns) * PANEL.width
      const y = Math.floor(i / columns) * PANEL.height
      return `<g transform="translate(${x} ${y})">${draw(panel, style)}</g>`
    }),
    ...names.map((series, i) => {
      const x = 16 + (i % (columns * 2)) * (PANEL.width / 2)
      const y = rows * PANEL.height + 14 + Math.floor(i / (columns * 2)) * 18
      return `<path d="M${x} ${y - 4}h24" ${style.get(series)}/><text x="${x + 30}" y="${y}">${escaped(series)}</text>`
    }),
  ]
  mkdirSync(`${RESULTS}plots`, { recursive: true })
  writeFileSync(
    `${RESULTS}plots/${name}.svg`,
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="11" fill="#333">
<rect width="100%" height="100%" fill="#fff"/>
${body.join('\n')}
</svg>
`,
  )
}

const styleOf = i =>
  `fill="none" stroke="${COLOURS[i % COLOURS.length]}" stroke-width="1.6" stroke-dasharray="${DASHES[Math.floor(i / COLOURS.length) % DASHES.length]}"`

const escaped = text => text.replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`)

function draw(panel, style) {
  const points = panel.series.flatMap(series => series.points)
  const xs = axis(
    points.map(([x]) => x),
    panel.logX,
    undefined,
    [PANEL.left, PANEL.width - PANEL.right],
  )
  const ys = axis(
    points.map(([, y]) => y),
    panel.logY,
    panel.range,
    [PANEL.height - PANEL.bottom, PANEL.top],
  )
  const [left, right, top, bottom] = [PANEL.left, PANEL.width - PANEL.right, PANEL.top, PANEL.height - PANEL.bottom]
  const middle = (left + right) / 2
  return [
    `<text x="${middle}" y="15" text-anchor="middle" font-weight="600">${escaped(panel.title)}</text>`,
    ...xs.ticks.map(
      ({ at, label }) =>
        `<path d="M${at} ${top}V${bottom}" stroke="#e4e4e4"/><text x="${at}" y="${bottom + 13}" text-anchor="middle">${label}</text>`,
    ),
    ...ys.ticks.map(
      ({ at, label }) =>
        `<path d="M${left} ${at}H${right}" stroke="#e4e4e4"/><text x="${left - 5}" y="${at + 4}" text-anchor="end">${label}</text>`,
    ),
    `<path d="M${left} ${top}V${bottom}H${right}" fill="none" stroke="#888"/>`,
    `<text x="${middle}" y="${bottom + 28}" text-anchor="middle">${escaped(panel.x)}</text>`,
    `<text transform="translate(12 ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(panel.y)}</text>`,
    ...panel.series.map(({ name, points: path }) => {
      const shown = path.filter(([x, y]) => Number.isFinite(xs.place(x)) && Number.isFinite(ys.place(y)))
      return `<path d="${shown.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${xs.place(x).toFixed(1)} ${ys.place(y).toFixed(1)}`).join('')}" ${style.get(name)}/>`
    }),
  ].join('')
}

/** Where values go on an axis between two pixels, and its ticks. */
function axis(values, logarithmic, range, [from, to]) {
  const usable = values.filter(v => Number.isFinite(v) && (!logarithmic || v > 0))
  const scale = logarithmic ? Math.log10 : v => v
  let [low, high] = range ?? [
    usable.reduce((least, v) => Math.min(least, scale(v)), Number.POSITIVE_INFINITY),
    usable.reduce((most, v) => Math.max(most, scale(v)), Number.NEGATIVE_INFINITY),
  ]
  if (!(high > low)) [low, high] = Number.isFinite(low) ? [low - 0.5, low + 0.5] : [0, 1]
  const place = v => from + ((scale(v) - low) / (high - low)) * (to - from)
  const step = niceStep((high - low) / 4, logarithmic)
  const ticks = []
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9; i++) {
    const t = Number((i * step).toPrecision(12))
    const at = (from + ((t - low) / (high - low)) * (to - from)).toFixed(1)
    ticks.push({ at, label: logarithmic ? power(t) : String(t) })
  }
  return { place, ticks }
}

function power(exponent) {
  if (!Number.isInteger(exponent)) return String(Number((10 ** exponent).toPrecision(2)))
  if (exponent >= 0 && exponent <= 3) return String(10 ** exponent)
  return `10<tspan dy="-4" font-size="8">${exponent}</tspan>`
}

function niceStep(rough, logarithmic) {
  const size = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map(factor => factor * size).find(candidate => candidate >= rough * 0.999)
  return logarithmic && step > 0.5 ? Math.max(1, Math.round(step)) : step
}
