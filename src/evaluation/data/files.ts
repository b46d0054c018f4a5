import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { ConfigError, FormatError, show } from '../../errors.ts'
import { type NpyArray, parseNpy } from '../../formats/npy.ts'
import { takeInFiles } from '../../formats/open-onnx.ts'

/** Larger data belongs into another kind of evaluator: all of it is held in memory, by every worker. */
const FILE_BYTES_LIMIT = 2 ** 31 - 1
/** A compressed table may inflate to this; guards against a file that inflates without end. */
const INFLATED_BYTES_LIMIT = 512 << 20

const inflate = promisify(gunzip)

/** The files of one evaluator: each read once, and its digest kept. */
export class InputFiles {
  readonly #digests = new Map<string, string>()
  readonly #arrays = new Map<string, NpyArray>()

  /**
   * @param role starts messages: whose file it is, and what for
   * @throws {ConfigError} when `path` is not a readable regular file of reasonable size
   */
  async read(path: string, role: string): Promise<Uint8Array> {
    let bytes: Uint8Array
    try {
      const info = await stat(path) // before opening: a FIFO would block
      if (!info.isFile()) throw new ConfigError(`${role} ${show(path, 200)} is no regular file.`)
      if (info.size > FILE_BYTES_LIMIT)
        throw new ConfigError(
          `${role} ${show(path, 200)} has ${info.size} bytes; at most ${FILE_BYTES_LIMIT} are read.`,
        )
      const buffer = await readFile(path)
      // A plain view: the `slice` of a Buffer does not copy.
      bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    } catch (error) {
      if (error instanceof ConfigError) throw error
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      const problem = code === 'ENOENT' ? 'does not exist' : `cannot be read (${String(code ?? error)})`
      throw new ConfigError(`${role} ${show(path, 200)} ${problem}.`, {
        hint: 'Paths are relative to the folder of the file that names them.',
        cause: error,
      })
    }
    this.#digests.set(path, createHash('sha256').update(bytes).digest('hex'))
    return bytes
  }

  /**
   * An ONNX graph, values that it keeps in other files included, except those of its weights: they are replaced anyhow.
   * @param weights their names, by the graph's bytes
   */
  async readGraph(
    path: string,
    role: string,
    weights: (bytes: Uint8Array) => ReadonlySet<string>,
  ): Promise<Uint8Array> {
    const bytes = await this.read(path, role)
    const whole = takeInFiles(bytes, path, weights(bytes))
    if (whole !== bytes) this.#digests.set(path, createHash('sha256').update(whole).digest('hex'))
    return whole
  }

  /** Whether there is a regular file of that name. */
  async exists(path: string): Promise<boolean> {
    return stat(path).then(
      info => info.isFile(),
      () => false,
    )
  }

  async isFolder(path: string): Promise<boolean> {
    return stat(path).then(
      info => info.isDirectory(),
      () => false,
    )
  }

  /**
   * One of many files that belong to one input, such as the images that a table names: they are digested together, in the order in
   * which they are read.
   * @param whole the input's path
   */
  async readPart(path: string, role: string, whole: string): Promise<Uint8Array> {
    const known = this.#digests.get(whole)
    const bytes = await this.read(path, role)
    const own = this.#digests.get(path)!
    if (path !== whole) this.#digests.delete(path)
    this.#digests.set(
      whole,
      createHash('sha256')
        .update(`${known ?? ''} ${own}`)
        .digest('hex'),
    )
    return bytes
  }

  /** A data table, inflated when its name ends in `.gz`. */
  async readTable(path: string, role: string): Promise<Uint8Array> {
    const bytes = await this.read(path, role)
    if (!path.endsWith('.gz')) return bytes
    try {
      return await inflate(bytes, { maxOutputLength: INFLATED_BYTES_LIMIT })
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      const problem =
        code === 'ERR_BUFFER_TOO_LARGE'
          ? `inflates to more than ${INFLATED_BYTES_LIMIT} bytes`
          : `is no valid gzip file (${error instanceof Error ? error.message : String(error)})`
      throw new FormatError(`${role} ${show(path, 200)} ${problem}.`, { cause: error })
    }
  }

  async readArray(path: string, role: string): Promise<NpyArray> {
    const known = this.#arrays.get(path)
    if (known !== undefined) return known
    const array = parseNpy(await this.read(path, role), path)
    this.#arrays.set(path, array)
    return array
  }

  /** Path → SHA-256 of what was read, by path. */
  digests(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#digests].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}
