import { displayWidth, pad, truncate } from './plain-text.ts'

/** The few styles that text uses. None of them carries meaning alone: there is always a word or a mark too. */
export type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan'
export type Paint = (style: Style, text: string) => string
export const unpainted: Paint = (_style, text) => text

export interface Column {
  readonly header: string
  readonly align: 'left' | 'right'
}

export type Cell = string | { readonly text: string; readonly style: Style }

export interface TableOptions {
  /** Columns of the terminal. */
  readonly width: number
  /** The first columns, repeated at the start of each block. */
  readonly keys?: number
  readonly paint?: Paint
  readonly ellipsis?: string
}

const GAP = '  '
const LEAST = 4

/**
 * A table of printable cells, never wider than `width`. Columns that do not fit side by side go into further blocks below that repeat the key columns, so
 * nothing is dropped; a single cell that is too wide for the terminal is cut.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  options: TableOptions,
): string {
  const { width, keys = 1, paint = unpainted, ellipsis = '…' } = options
  const natural = columns.map((column, c) =>
    Math.max(displayWidth(column.header), ...rows.map(row => displayWidth(textOf(row[c]!)))),
  )
  // Keys leave at least half of the line to what they are keys of.
  const keyRoom = Math.max(LEAST, Math.floor(width / 2 / Math.max(1, keys)) - GAP.length)
  const widths = natural.map((w, c) => (c < keys && columns.length > keys ? Math.min(w, keyRoom) : w))
  const keyWidth = widths.slice(0, keys).reduce((sum, w) => sum + w + GAP.length, 0)
  const blocks: number[][] = []
  let used = Infinity
  for (let c = keys; c < columns.length; c++) {
    widths[c] = Math.min(widths[c]!, Math.max(LEAST, width - keyWidth))
    if (used + GAP.length + widths[c]! > width) {
      blocks.push([])
      used = keyWidth - GAP.length
    }
    blocks.at(-1)!.push(c)
    used += GAP.length + widths[c]!
  }
  if (blocks.length === 0) blocks.push([])
  const line = (cells: readonly Cell[], block: readonly number[], header: boolean): string => {
    const shown = [...Array(keys).keys(), ...block].filter(c => c < columns.length)
    const parts = shown.map((c, position) => {
      const cell = cells[c]!
      const text = truncate(textOf(cell), widths[c]!, ellipsis)
      const last = position === shown.length - 1 && columns[c]!.align === 'left'
      const padded = last ? text : pad(text, widths[c]!, columns[c]!.align)
      return header ? paint('dim', padded) : typeof cell === 'string' ? padded : paint(cell.style, padded)
    })
    return parts.join(GAP).trimEnd()
  }
  return blocks
    .map(block =>
      [
        line(
          columns.map(column => column.header),
          block,
          true,
        ),
        ...rows.map(row => line(row, block, false)),
      ].join('\n'),
    )
    .join('\n\n')
}

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text
}
