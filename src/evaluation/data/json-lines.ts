import { FormatError, show } from '../../errors.ts'
import type { Records } from './records.ts'

/** A missing line end makes a whole file one line; real records are far shorter. Characters. */
const LINE_LIMIT = 16 << 20
/** Keys become columns: without a limit, a file with another key in each line would hold lines × lines cells. */
const COLUMN_LIMIT = 10_000

/**
 * Reads JSON Lines (https://jsonlines.org): one JSON object a line, UTF-8. A key that a line lacks is `undefined` there.
 * @throws {FormatError} on a line that is no JSON object, text that is no UTF-8, or a file without records
 */
export function readJsonLines(bytes: Uint8Array, file: string): Records {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new FormatError(`${file} is not UTF-8 text.`, { cause })
  }
  const columns = new Map<string, unknown[]>()
  const lines: number[] = [] // line number of each record, from 1
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const record = parseObjectLine(line, `${file}: line ${i + 1}`)
    for (const [key, value] of Object.entries(record)) {
      let column = columns.get(key)
      if (column === undefined) {
        if (columns.size === COLUMN_LIMIT)
          throw new FormatError(`${file} has more than ${COLUMN_LIMIT} different keys.`)
        column = new Array(lines.length).fill(undefined)
        columns.set(key, column)
      }
      column.push(value)
    }
    lines.push(i + 1)
    for (const column of columns.values()) if (column.length < lines.length) column.push(undefined)
  }
  if (lines.length === 0) throw new FormatError(`${file} has no records: one JSON object a line is required.`)
  return { file, length: lines.length, columns, where: record => `${file}: line ${lines[record]}` }
}

/**
 * One line of JSON Lines.
 * @param where starts messages: file and line
 * @throws {FormatError} unless it is a JSON object of at most 16 Mi characters
 */
export function parseObjectLine(line: string, where: string): Record<string, unknown> {
  if (line.length > LINE_LIMIT)
    throw new FormatError(`${where} has ${line.length} characters; at most ${LINE_LIMIT} are read.`)
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw new FormatError(`${where} is no JSON: ${cause instanceof Error ? cause.message : show(line)}.`, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new FormatError(`${where}: a JSON object is required, found ${show(value)}.`)
  return value as Record<string, unknown>
}
