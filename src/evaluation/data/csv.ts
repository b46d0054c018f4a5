import { CsvError, parse } from 'csv-parse/sync'
import { FormatError, show } from '../../errors.ts'

/** A wrong quote makes a whole file one record; real rows are far shorter. Characters. */
const RECORD_LIMIT = 4 << 20

/** Called with each row after the header: its cells, and its number as a spreadsheet shows it (the header is row 1). */
export type OnRow = (cells: readonly string[], row: number) => void

/**
 * Reads comma-separated values (RFC 4180, UTF-8) with a header row, row by row.
 * @param start called with the header, returns what takes the rows
 * @throws {FormatError} on rows of unequal length, bad quotes, an empty file, a repeated or empty column name
 */
export function readCsv(bytes: Uint8Array, file: string, start: (columns: readonly string[]) => OnRow): void {
  let onRow: OnRow | undefined
  let row = 0
  try {
    parse(bytes, {
      bom: true,
      skip_empty_lines: true,
      max_record_size: RECORD_LIMIT,
      on_record: (cells: string[]) => {
        row++
        if (onRow === undefined) onRow = start(checkHeader(cells, file))
        else onRow(cells, row)
        return null // nothing is kept: rows are converted as they come
      },
    })
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    throw new FormatError(`${file} is no valid CSV: ${error.message}.`, { cause: error })
  }
  if (onRow === undefined) throw new FormatError(`${file} is empty; a header row is required.`)
}

function checkHeader(columns: readonly string[], file: string): readonly string[] {
  const seen = new Set<string>()
  for (const column of columns) {
    if (column === '') throw new FormatError(`${file} has a column without a name in its header row.`)
    if (seen.has(column)) throw new FormatError(`${file} has two columns named ${show(column)}.`)
    seen.add(column)
  }
  return columns
}
