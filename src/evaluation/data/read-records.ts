import { extname } from 'node:path'
import { ConfigError, show } from '../../errors.ts'
import type { InputFiles } from './files.ts'
import { readImageFolder } from './image-folder.ts'
import { readJsonLines } from './json-lines.ts'
import { readNpz } from './npz.ts'
import type { Records } from './records.ts'
import { readTextLines } from './text-lines.ts'

type Read = (bytes: Uint8Array, file: string) => Records | Promise<Records>

/** File name ending (before `.gz`) → reader. Those that need a library are loaded when there is such a file. */
const READERS: ReadonlyMap<string, Read> = new Map<string, Read>([
  ['.csv', async (bytes, file) => (await import('./csv-records.ts')).csvRecords(bytes, file)],
  ['.jsonl', readJsonLines],
  ['.ndjson', readJsonLines],
  ['.txt', readTextLines],
  ['.npz', readNpz],
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
