import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { FormatError } from '../../errors.ts'
import type { Records } from './records.ts'

/** Cells of all columns: more would not fit into memory as values of JavaScript. */
const CELL_LIMIT = 50_000_000

/** @throws {FormatError} on a file that is no Parquet, or holds more than can be read at once */
export async function readParquet(bytes: Uint8Array, file: string): Promise<Records> {
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  let rows: readonly Readonly<Record<string, unknown>>[]
  try {
    const metadata = parquetMetadata(buffer)
    const cells = Number(metadata.num_rows) * (metadata.schema.length - 1)
    if (!(cells <= CELL_LIMIT)) throw new RangeError(`${cells} cells; at most ${CELL_LIMIT} are read`)
    rows = await parquetReadObjects({
      file: { byteLength: buffer.byteLength, slice: (start, end) => buffer.slice(start, end) },
      metadata,
      compressors,
    })
  } catch (cause) {
    throw new FormatError(`${file} cannot be read as Parquet: ${cause instanceof Error ? cause.message : cause}.`, {
      cause,
    })
  }
  if (rows.length === 0) throw new FormatError(`${file} has no rows.`)
  const names = Object.keys(rows[0]!)
  const columns = new Map(names.map(name => [name, rows.map(row => plain(row[name]))]))
  return { file, length: rows.length, columns, where: record => `${file}: row ${record}` }
}

/** 64-bit integers as numbers where these hold them. */
function plain(cell: unknown): unknown {
  if (typeof cell === 'bigint') return Number.isSafeInteger(Number(cell)) ? Number(cell) : cell
  return Array.isArray(cell) ? cell.map(plain) : (cell ?? undefined)
}
