import { ConfigError, FormatError, nearest, show } from '../../errors.ts'
import { readCsv } from './csv.ts'
import { matches } from './pattern.ts'

/** What a task takes from its data file. */
export interface TableRequest {
  /** Columns kept as text. */
  readonly text: readonly string[]
  /** Graph input → names or patterns of its columns, which hold numbers. */
  readonly numbers: ReadonlyMap<string, readonly string[]>
}

export interface Table {
  readonly file: string
  readonly length: number
  /** Column → one text per row. */
  readonly text: ReadonlyMap<string, readonly string[]>
  /** Graph input → its columns, in the order asked for, and one array of values per row. */
  readonly numbers: ReadonlyMap<string, { readonly columns: readonly string[]; readonly rows: readonly Float64Array[] }>
}

const NUMBER = /^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$/

/** Name of a data row for messages, as a spreadsheet counts: the header is row 1. */
export function rowName(file: string, row: number): string {
  return `${file}: row ${row + 2}`
}

/**
 * Reads the columns that are asked for.
 * @throws {ConfigError} on a column that is not there; {@link FormatError} on a cell that is no number
 */
export function readTable(bytes: Uint8Array, file: string, request: TableRequest): Table {
  const text = new Map<string, string[]>(request.text.map(column => [column, []]))
  const numbers = new Map<string, { columns: readonly string[]; rows: Float64Array[] }>()
  let length = 0
  readCsv(bytes, file, columns => {
    const texts = [...text].map(([column, values]) => ({ index: columnIndex(columns, column, file), values }))
    const reserved = new Set(request.text)
    const groups = [...request.numbers].map(([input, patterns]) => {
      const indices = selectColumns(columns, patterns, input, reserved, file)
      const rows: Float64Array[] = []
      numbers.set(input, { columns: indices.map(index => columns[index]!), rows })
      return { indices, rows }
    })
    return cells => {
      for (const { index, values } of texts) values.push(cells[index]!)
      for (const { indices, rows } of groups) {
        const values = new Float64Array(indices.length)
        for (let k = 0; k < indices.length; k++) {
          const cell = cells[indices[k]!]!
          if (!NUMBER.test(cell))
            throw new FormatError(
              `${rowName(file, length)}, column ${show(columns[indices[k]!])}: a number is required, found ${show(cell)}.`,
            )
          values[k] = Number(cell)
        }
        rows.push(values)
      }
      length++
    }
  })
  return { file, length, text, numbers }
}

function columnIndex(columns: readonly string[], column: string, file: string): number {
  const index = columns.indexOf(column)
  if (index < 0) throw missingColumn(columns, column, file)
  return index
}

/** Positions of the columns, in the order of the patterns, each column once. */
function selectColumns(
  columns: readonly string[],
  patterns: readonly string[],
  input: string,
  reserved: ReadonlySet<string>,
  file: string,
): readonly number[] {
  const selected = new Set<number>()
  for (const pattern of patterns) {
    const before = selected.size
    const exact = columns.indexOf(pattern)
    if (exact >= 0) selected.add(exact)
    else for (let i = 0; i < columns.length; i++) if (matches(pattern, columns[i]!)) selected.add(i)
    if (selected.size === before) throw missingColumn(columns, pattern, file)
  }
  const indices = [...selected]
  const leak = indices.map(index => columns[index]!).find(column => reserved.has(column))
  if (leak !== undefined)
    throw new ConfigError(
      `${file}: column ${show(leak)} is the label or split of a task and would also be part of graph input ${show(input)}.`,
      { hint: 'Name the columns, or use a narrower pattern.' },
    )
  return indices
}

function missingColumn(columns: readonly string[], column: string, file: string): ConfigError {
  const near = nearest(column, columns)
  return new ConfigError(`${file} has no column ${show(column)}; it has ${show(columns.join(', '), 120)}.`, {
    ...(near === undefined ? {} : { hint: `Did you mean ${show(near)}?` }),
  })
}
