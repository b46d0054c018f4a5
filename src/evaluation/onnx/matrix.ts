import { ConfigError, FormatError, show } from '../../errors.ts'
import type { NpyArray } from '../../formats/npy.ts'
import { matches } from '../../merge/pattern.ts'
import { columnOf, type Records } from '../data/records.ts'

/** Numbers by example, whatever file they come from. */
export interface Matrix {
  readonly from: string
  readonly length: number // examples
  readonly shape: readonly number[] // of one example
  value(example: number, k: number): number
  where(example: number, k: number): string
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1)
}

export function arrayMatrix({ data, shape }: NpyArray, path: string): Matrix {
  if (shape.length === 0 || isTexts(data))
    throw new ConfigError(
      `${path} must hold numbers with one row per example; it holds ${isTexts(data) ? 'text' : 'one number'}.`,
    )
  const size = sizeOf(shape.slice(1))
  return {
    from: path,
    length: shape[0]!,
    shape: shape.slice(1),
    value: (example, k) => Number(data[example * size + k]!),
    where: (example, k) => `${path}: example ${example}, element ${k}`,
  }
}

export function isTexts(data: NpyArray['data']): data is readonly string[] {
  return Array.isArray(data)
}

/** One number per example. */
export function vector(matrix: Matrix): Matrix {
  if (matrix.shape.length === 0) return matrix
  throw new ConfigError(
    `${matrix.from} must hold one number per example; each of its examples has shape [${matrix.shape.join(', ')}].`,
  )
}

/**
 * Columns by name or pattern, in the order of the patterns, each once. A column of numbers gives one value; the only column may hold lists
 * of numbers instead, nested and all of one shape.
 * @param reserved labels and splits, which must not leak into what a graph sees
 * @param use what the columns are for, for messages: `graph input "pixels"`
 * @throws {ConfigError} on columns that are not there or reserved, {@link FormatError} on cells that hold no numbers
 */
export function columnMatrix(
  records: Records,
  patterns: readonly string[],
  reserved: ReadonlySet<string>,
  use: string,
): Matrix {
  const names = selectColumns(records, patterns)
  const leak = names.find(name => reserved.has(name))
  if (leak !== undefined)
    throw new ConfigError(
      `${records.file}: column ${show(leak)} is the label or split of a task and would also be part of ${use}.`,
      { hint: 'Name the columns, or use a narrower pattern.' },
    )
  const where = (example: number, name: string): string => `${records.where(example)}, column ${show(name)}`
  const array = names.length === 1 ? records.arrays?.get(names[0]!) : undefined
  if (array !== undefined && array.shape.length > 1) return arrayMatrix(array, `${records.file}: ${names[0]}`)
  const only = names.length === 1 ? columnOf(records, names[0]!) : undefined
  if (only !== undefined && isList(only[0])) return listMatrix(records, names[0]!, only)

  const columns = names.map(name =>
    Float64Array.from(columnOf(records, name), (cell, i) => {
      const value = numberOf(cell)
      if (value !== undefined) return value
      throw new FormatError(`${where(i, name)}: a number is required, found ${show(cell)}.`)
    }),
  )
  return {
    from: records.file,
    length: records.length,
    shape: [names.length],
    value: (example, k) => columns[k]![example]!,
    where: (example, k) => where(example, names[k]!),
  }
}

function listMatrix(records: Records, name: string, cells: readonly unknown[]): Matrix {
  const shape = listShape(cells[0])
  const size = sizeOf(shape)
  const data = new Float64Array(records.length * size)
  cells.forEach((cell, i) => {
    const found = listShape(cell)
    if (found.join() !== shape.join())
      throw new FormatError(
        `${records.where(i)}, column ${show(name)}: numbers of shape [${shape.join(', ')}] are required, as in the first record; found [${found.join(', ')}].`,
      )
    let at = i * size
    const fill = (item: unknown): void => {
      if (isList(item)) for (const inner of item) fill(inner)
      else {
        const value = numberOf(item)
        if (value === undefined)
          throw new FormatError(`${records.where(i)}, column ${show(name)}: a number is required, found ${show(item)}.`)
        data[at++] = value
      }
    }
    fill(cell)
    if (at !== (i + 1) * size)
      throw new FormatError(`${records.where(i)}, column ${show(name)}: its lists are not all of one length.`)
  })
  return {
    from: records.file,
    length: records.length,
    shape,
    value: (example, k) => data[example * size + k]!,
    where: (example, k) => `${records.where(example)}, column ${show(name)}, element ${k}`,
  }
}

type List = ArrayLike<unknown> & Iterable<unknown>

function isList(cell: unknown): cell is List {
  return Array.isArray(cell) || (ArrayBuffer.isView(cell) && !(cell instanceof DataView))
}

function listShape(cell: unknown): readonly number[] {
  return isList(cell) ? [cell.length, ...listShape(cell[0])] : []
}

const NUMBER = /^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$/

/** The number that a cell holds, as a number or as decimal text; booleans are 0 and 1. */
export function numberOf(cell: unknown): number | undefined {
  if (typeof cell === 'number') return cell
  if (typeof cell === 'string') return NUMBER.test(cell) ? Number(cell) : undefined
  if (typeof cell === 'bigint' || typeof cell === 'boolean') return Number(cell)
  return undefined
}

function selectColumns(records: Records, patterns: readonly string[]): readonly string[] {
  const selected = new Set<string>()
  for (const pattern of patterns) {
    if (records.columns.has(pattern)) {
      selected.add(pattern)
      continue
    }
    const found = [...records.columns.keys()].filter(name => matches(pattern, name))
    if (found.length === 0) columnOf(records, pattern) // throws
    for (const name of found) selected.add(name)
  }
  return [...selected]
}
