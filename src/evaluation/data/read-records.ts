import { extname } from 'node:path'
import { ConfigError, show } from '../../errors.ts'
import { readCsv } from './csv.ts'
import type { InputFiles } from './files.ts'
import { readImageFolder } from './image-folder.ts'
import { readJsonLines } from './json-lines.ts'
import { readNpz } from './npz.ts'
import type { Records } from './records.ts'
import { readTextLines } from './text-lines.ts'

type Read = (bytes: Uint8Array, file: string) => Records | Promise<Records>

/** File name ending (before `.gz`) → reader. */
const READERS: ReadonlyMap<string, Read> = new Map<string, Read>([
  ['.csv', csvRecords],
  ['.jsonl', readJsonLines],
  ['.ndjson', readJsonLines],
  ['.txt', readTextLines],
  ['.npz', readNpz],
  // With its codecs the slowest to load of all, and rarely needed.
  ['.parquet', async (bytes, file) => (await import('./parquet.ts')).readParquet(bytes, file)],
])

/**
 * Reads a data file as records; its name's ending says how. A folder is one of images.
 * @param role starts messages: whose file it is
 * @throws {ConfigError} on an unknown ending, {@link FormatError} on a damaged file
 */
export async function readRecords(files: InputFiles, path: string, role: string): Promise<Records> {
  if (await files.isFolder(path)) return readImageFolder(path)
  const ending = extname(path.replace(/\.gz$/, '')).toLowerCase()
  const read = READERS.get(ending)
  if (read === undefined)
    throw new ConfigError(
      `${role} ${show(path, 200)} ends in ${show(ending)}; records are read from ${[...READERS.keys()].join(', ')} and folders of images.`,
    )
  return read(await files.readTable(path, role), path)
}

function csvRecords(bytes: Uint8Array, file: string): Records {
  const columns = new Map<string, (string | number)[]>()
  let length = 0
  readCsv(bytes, file, names => {
    const lists = names.map((): (string | number)[] => [])
    for (const [i, name] of names.entries()) columns.set(name, lists[i]!)
    return cells => {
      for (const [i, cell] of cells.entries()) lists[i]!.push(plainNumber(cell))
      length++
    }
  })
  return { file, length, columns, where: record => `${file}: row ${record + 2}` }
}

/** A number where its text is the shortest that gives it, so that nothing of the cell is lost; columns of these are small. */
function plainNumber(cell: string): string | number {
  const first = cell.charCodeAt(0)
  if (!(first === 45 || (first >= 48 && first <= 57)) || cell.length > 24) return cell
  const value = Number(cell)
  return String(value) === cell ? value : cell
}
