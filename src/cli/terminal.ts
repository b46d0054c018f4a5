import { styleText } from 'node:util'
import { type Paint, unpainted } from '../report/table.ts'
import type { TextOptions } from '../report/text-parts.ts'

/** What is asked of a stream. `process.stdout` and `process.stderr` are ones. */
export interface OutputStream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Narrower and no table is readable; wider and the eye loses the line. */
const WIDTHS = { least: 40, usual: 80, most: 200 } as const

/** FORCE_COLOR, then NO_COLOR (not empty), then TERM=dumb, then whether *that* stream is a terminal. */
export function usesColour(stream: OutputStream, env: Environment): boolean {
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false'
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false
  if (env.TERM === 'dumb') return false
  return stream.isTTY === true
}

/** A locale that says it is not UTF-8. Containers often name none at all, and their terminals are UTF-8. */
export function isAsciiOnly(env: Environment): boolean {
  if (env.TERM === 'dumb') return true
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || ''
  return locale !== '' && !/utf-?8/i.test(locale)
}

/** A live line can be redrawn: a terminal that understands escapes, and nobody is logging it. */
export function canRedraw(stream: OutputStream, env: Environment): boolean {
  const inCi = env.CI !== undefined && env.CI !== '' && env.CI !== '0' && env.CI !== 'false'
  return stream.isTTY === true && env.TERM !== 'dumb' && !inCi
}

/** Columns to fill, 40 to 200: the terminal's, else COLUMNS, else 80. */
export function terminalWidth(stream: OutputStream, env: Environment): number {
  const columns = stream.columns || Number(env.COLUMNS) || WIDTHS.usual
  return Math.min(WIDTHS.most, Math.max(WIDTHS.least, Math.floor(columns)))
}

export function createPaint(enabled: boolean): Paint {
  // The stream was judged above; `styleText` would judge stdout, whichever stream is written to.
  return enabled ? (style, text) => (text === '' ? '' : styleText(style, text, { validateStream: false })) : unpainted
}

/** How to render text for a stream. */
export function textOptionsFor(stream: OutputStream, env: Environment): Required<TextOptions> {
  return {
    width: terminalWidth(stream, env),
    paint: createPaint(usesColour(stream, env)),
    ascii: isAsciiOnly(env),
  }
}
