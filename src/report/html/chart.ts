import { printable } from '../plain-text.ts'
import { type Scale, tickLabel } from '../scale.ts'
import { type Child, type Markup, markup, px } from './markup.ts'

/** The inner area of a chart, in the units of its `viewBox`; one unit is about a CSS pixel. */
export interface Area {
  readonly width: number
  readonly height: number
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

export function chartArea(
  width: number,
  height: number,
  margins: Partial<Record<'left' | 'right' | 'top' | 'bottom', number>> = {},
): Area {
  const { left = 46, right = 12, top = 26, bottom = 40 } = margins
  return { width, height, left, right: width - right, top, bottom: height - bottom }
}

export function xOf(area: Area, scale: Scale, value: number): number {
  return area.left + clamp(scale.position(value)) * (area.right - area.left)
}

export function yOf(area: Area, scale: Scale, value: number): number {
  return area.bottom - clamp(scale.position(value)) * (area.bottom - area.top)
}

function clamp(position: number): number {
  return Math.min(1, Math.max(0, position))
}

/** A picture with a name for those who do not see it. */
export function chart(area: Pick<Area, 'width' | 'height'>, label: string, children: Child): Markup {
  return markup`<svg viewBox="0 0 ${px(area.width)} ${px(area.height)}" role="img" aria-label="${label}">${children}</svg>`
}

export function xAxis(area: Area, scale: Scale, title: string): Markup {
  const ticks = scale.ticks.map(tick => {
    const x = px(xOf(area, scale, tick))
    return markup`<path class="grid" d="M${x} ${px(area.top)}V${px(area.bottom)}"/><text class="mid" x="${x}" y="${px(area.bottom + 16)}">${tickLabel(scale, tick)}</text>`
  })
  return markup`${ticks}${title !== '' && markup`<text class="title end" x="${px(area.right)}" y="${px(area.bottom + 34)}">${title}</text>`}`
}

export function yAxis(area: Area, scale: Scale, title: string): Markup {
  const ticks = scale.ticks.map(tick => {
    const y = yOf(area, scale, tick)
    return markup`<path class="grid" d="M${px(area.left)} ${px(y)}H${px(area.right)}"/><text class="end" x="${px(area.left - 8)}" y="${px(y + 4)}">${tickLabel(scale, tick)}</text>`
  })
  return markup`${ticks}<text class="title" x="0" y="13">${title}</text>`
}

export interface Label {
  readonly x: number
  readonly y: number
  readonly text: string
  readonly kind: 'winner' | 'front' | 'other'
}

interface Box {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

/** Mean advance of a 12 px sans-serif letter. */
const LETTER = 6.3
const LINE = 13

/** Where a label may stand, as directions from its point; beside it first. */
const DIRECTIONS: readonly (readonly [dx: number, dy: number])[] = [
  [1, 0],
  [-1, 0],
  [0.8, -0.9],
  [0.8, 0.9],
  [-0.8, -0.9],
  [-0.8, 0.9],
  [0, -1],
  [0, 1],
]
/** Distances of a label from its point: beside it, or further off at the end of a thin line. */
const DISTANCES = [10, 30, 54] as const

/**
 * Labels near their points, each at the place that covers least: of other labels, of marked points, of the world outside the chart. Places further off
 * cost more, so they are taken in a crowd only.
 */
export function placeLabels(
  area: Area,
  labels: readonly Label[],
  points: readonly (readonly [x: number, y: number])[],
): Markup[] {
  const taken: Box[] = points.map(([x, y]) => ({ left: x - 5, right: x + 5, top: y - 5, bottom: y + 5 }))
  return labels.map(({ x, y, text, kind }) => {
    const width = [...text].length * LETTER
    let best: { cost: number; box: Box; anchor: string; x: number; leader: Markup | undefined } | undefined
    DISTANCES.forEach((distance, ring) => {
      DIRECTIONS.forEach(([dx, dy], preference) => {
        const [tipX, tipY] = [x + dx * distance, y + dy * distance * (dx === 0 ? 1.35 : 1)]
        const left = dx > 0 ? tipX : dx < 0 ? tipX - width : tipX - width / 2
        const box = { left, right: left + width, top: tipY - LINE / 2, bottom: tipY + LINE / 2 }
        const outside =
          Math.max(0, area.left - box.left) +
          Math.max(0, box.right - area.width) +
          Math.max(0, area.top - box.top) +
          Math.max(0, box.bottom - area.bottom)
        const covered = taken.reduce((sum, other) => sum + overlap(box, other), 0)
        const cost = preference + 40 * ring + 30 * outside + covered
        if (best !== undefined && cost >= best.cost) return
        const leader =
          ring === 0 ? undefined : markup`<path class="leader" d="M${px(x)} ${px(y)}L${px(tipX)} ${px(tipY)}"/>`
        best = { cost, box, anchor: dx > 0 ? '' : dx < 0 ? ' end' : ' mid', x: tipX, leader }
      })
    })
    const { box, anchor, x: textX, leader } = best!
    taken.push(box)
    return markup`${leader}<text class="halo of-${kind}${anchor}" x="${px(textX)}" y="${px(box.bottom - 2.5)}">${text}</text>`
  })
}

function overlap(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left)
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
  return width > 0 && height > 0 ? width * height : 0
}

/** A five-pointed star around (x, y). */
export function star(x: number, y: number, radius: number): string {
  const corners = Array.from({ length: 10 }, (_, k) => {
    const r = k % 2 === 0 ? radius : radius * 0.45
    const angle = (Math.PI * k) / 5
    return `${px(x + r * Math.sin(angle))} ${px(y - r * Math.cos(angle))}`
  })
  return `M${corners.join('L')}Z`
}

export function diamond(x: number, y: number, radius: number): string {
  return `M${px(x)} ${px(y - radius)}L${px(x + radius)} ${px(y)}L${px(x)} ${px(y + radius)}L${px(x - radius)} ${px(y)}Z`
}

/** A baseline's label where room is scarce. */
export function shortLabel(label: string): string {
  return printable(
    label.replace('random search, same budget', 'random search').replace('best single scale', 'best scale'),
    22,
  )
}
