import { type Compressors, type FileMetaData, parquetMetadata, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { FormatError } from '../../errors.ts'
import type { Records } from './records.ts'

/** Cells of all columns: more would not fit into memory as values of JavaScript. */
const CELL_LIMIT = 50_000_000
/** Of all pages together: a file may inflate to this, larger ones to so many times their size. Guards against inflating without end. */
const INFLATED_BYTES_LIMIT = 512 << 20
const INFLATION_LIMIT = 16

/** @throws {FormatError} on a file that is no Parquet, or holds more than can be read at once */
export async function readParquet(bytes: Uint8Array, file: string): Promise<Records> {
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  let rows: readonly Readonly<Record<string, unknown>>[]
  try {
    const metadata = parquetMetadata(buffer)
    const cells = Math.max(Number(metadata.num_rows) * (metadata.schema.length - 1), storedValues(metadata))
    if (!(cells <= CELL_LIMIT)) throw new RangeError(`it has ${cells} cells; at most ${CELL_LIMIT} are read`)
    rows = await parquetReadObjects({
      file: { byteLength: buffer.byteLength, slice: (start, end) => buffer.slice(start, end) },
      metadata,
      compressors: limitedCompressors(Math.max(INFLATED_BYTES_LIMIT, INFLATION_LIMIT * bytes.byteLength)),
      utf8: false, // bytes that are not declared to be text are images
    })
    if (rows.length !== Number(metadata.num_rows)) throw new Error(`${rows.length} of ${metadata.num_rows} rows`)
  } catch (cause) {
    const problem = (cause instanceof Error ? cause.message : String(cause)).slice(0, 200)
    throw new FormatError(`${file} cannot be read as Parquet: ${problem}.`, {
      hint: 'If the file was cut short, copy it again; otherwise write it anew, in Python: pyarrow.parquet.write_table(table, path).',
      cause,
    })
  }
  if (rows.length === 0) throw new FormatError(`${file} has no rows.`)
  const names = Object.keys(rows[0]!)
  const columns = new Map(names.map(name => [name, rows.map(row => plain(row[name]))]))
  return { file, length: rows.length, columns, where: record => `${file}: row ${record}` }
}

/** Of nested columns: a list counts as many as it has items. */
function storedValues(metadata: FileMetaData): number {
  return metadata.row_groups
    .flatMap(group => group.columns)
    .reduce((sum, column) => sum + Number(column.meta_data?.num_values ?? 0), 0)
}

function limitedCompressors(limit: number): Compressors {
  let inflated = 0
  return Object.fromEntries(
    Object.entries(compressors).map(([codec, decompress]): [string, typeof decompress] => [
      codec,
      (input, outputLength) => {
        inflated += outputLength
        if (!(outputLength >= 0 && inflated <= limit)) throw new RangeError(`it inflates to more than ${limit} bytes`)
        return decompress(input, outputLength)
      },
    ]),
  )
}

/** 64-bit integers as numbers where these hold them, at any depth. */
function plain(cell: unknown): unknown {
  if (typeof cell === 'bigint') return Number.isSafeInteger(Number(cell)) ? Number(cell) : cell
  if (Array.isArray(cell)) return cell.map(plain)
  if (typeof cell !== 'object' || cell === null || Object.getPrototypeOf(cell) !== Object.prototype)
    return cell ?? undefined
  return Object.fromEntries(Object.entries(cell).map(([key, value]) => [key, plain(value)]))
}
