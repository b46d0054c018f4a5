import type { Objective } from '../objective.ts'
import { arrow, formatInterval, type NumberFormat } from './format.ts'
import type { Interval } from './intervals.ts'
import { printable } from './plain-text.ts'
import type { SplitScores } from './split-scores.ts'
import type { Column, Paint, TableOptions } from './table.ts'

/** Terminal renderings: printable text, never wider than `width`, colour only where a word or a mark says the same. */
export interface TextOptions {
  readonly width: number
  readonly paint?: Paint
  /** No character beyond ASCII, except those of foreign names. */
  readonly ascii?: boolean
}

export function tableOptions({ width, paint, ascii }: TextOptions): TableOptions {
  return { width, ...(paint && { paint }), ellipsis: ascii ? '~' : '…' }
}

export function objectiveColumn(objective: Objective, align: Column['align'], { ascii = false }: TextOptions): Column {
  return { header: `${printable(objective.name)} ${arrow(objective, ascii)}`, align }
}

/** The i-th value, or nothing where there is none. */
export function valuesOf(scores: SplitScores | undefined, i: number): number[] {
  return scores?.status === 'scored' ? [scores.values[i]!] : []
}

export function meanOf(scores: SplitScores | undefined): number | undefined {
  return scores?.status === 'scored' ? scores.mean?.value : undefined
}

export function withInterval(
  value: number | undefined,
  interval: Interval | undefined,
  format: NumberFormat,
  { ascii = false }: Pick<TextOptions, 'ascii'>,
): string {
  if (value === undefined) return ''
  return interval === undefined ? format(value) : `${format(value)} (${intervalText(interval, format, ascii)})`
}

export function intervalText(interval: Interval | undefined, format: NumberFormat, ascii: boolean): string {
  const text = formatInterval(interval, format)
  return ascii ? text.replace('…', '..') : text
}
