import { ConfigError, MergeError, nearest, show } from '../errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { openCheckpoint } from '../formats/open-file.ts'
import { statOf } from '../formats/opened-file.ts'
import type { TensorSpec } from '../formats/safetensors.ts'
import type { InputsAlong } from './operators/operator.ts'

/** What a file of statistics holds of a model, by its header. The names are those of `docs/statistics.md`. */

/** Behind the name of a weight: the Gram matrix of its layer's inputs, the weight stored as (out, in) or as (in, out). */
export const GRAM = '.gram'
export const GRAM_TRANSPOSED = '.gram_transposed'

const DTYPES: readonly string[] = ['F64', 'F32', 'F16', 'BF16']

/** A file's statistics under the names that a merge has for the model's tensors. Plain data: threads are sent it. */
export interface StatisticsTable {
  /** As a source names it: a file, or a folder of shards. */
  readonly path: string
  readonly files: readonly string[]
  /** Of the files when their headers were read: what is read later must be of the same. */
  readonly versions: readonly string[]
  /** Merged tensor → what the model itself stores of it. What it does not store, such as a constant of another's graph, is not among them. */
  readonly own: ReadonlyMap<string, OwnTensor>
  /** Merged tensor → Fisher information: its name in the file, and whether it is stored as the transpose. */
  readonly fisher: ReadonlyMap<string, { readonly name: string; readonly transposed: boolean }>
  /** Merged tensor → Gram matrix. */
  readonly gram: ReadonlyMap<string, StoredGram>
}

export interface StoredGram {
  /** In the file. */
  readonly name: string
  readonly inputsAlong: InputsAlong
  /** How many it has, and columns. */
  readonly rows: number
  /** Its numbers are float64; those of the other types are all float32 numbers too. */
  readonly wide: boolean
}

export interface OwnTensor {
  readonly name: string
  readonly shape: readonly number[]
  /** The merge has it the other way round. */
  readonly transposed: boolean
}

export interface MeasuredModel {
  readonly id: string
  /** All tensors as the model names them, merged or not. */
  readonly tensors: ReadonlyMap<string, Pick<TensorSpec, 'shape'>>
  /** Merged tensor → the model's own name; undefined where it stores none. */
  readonly merged: Iterable<
    readonly [name: string, own: { readonly name: string; readonly transposed: boolean } | undefined]
  >
}

/** @throws {ConfigError | FormatError} */
export function openStatistics(path: string): Checkpoint {
  if (!path.toLowerCase().endsWith('.onnx')) return openCheckpoint(path)
  throw new ConfigError(`Statistics are read from .safetensors, not from ${path}.`)
}

export function versionsOf({ files }: Checkpoint): string[] {
  return files.map(file => {
    const { dev, ino, size, mtimeMs } = statOf(file)
    return [dev, ino, size, mtimeMs].join(' ')
  })
}

/**
 * Reads headers only.
 * @param path of a `.safetensors` file, or of a folder with `model.safetensors` or its index
 * @throws {ConfigError | FormatError} where the file cannot be read
 * @throws {MergeError} on statistics of tensors that the model does not have, and on wrong shapes and types
 */
export function readStatisticsTable(path: string, model: MeasuredModel): StatisticsTable {
  const checkpoint = openStatistics(path)
  try {
    const own = new Map<string, OwnTensor>()
    for (const [name, origin] of model.merged) {
      const known = origin && model.tensors.get(origin.name)
      if (known !== undefined) own.set(name, { ...origin!, shape: known.shape })
    }
    for (const name of checkpoint.tensors.keys()) requireKnown(name, path, model)
    const table = new TableReader(checkpoint, path, model.id)
    return {
      path,
      files: checkpoint.files,
      versions: versionsOf(checkpoint),
      own,
      fisher: new Map([...own].flatMap(([name, tensor]) => table.fisher(name, tensor))),
      gram: new Map([...own].flatMap(([name, tensor]) => table.gram(name, tensor))),
    }
  } finally {
    checkpoint.close()
  }
}

function requireKnown(name: string, path: string, { id, tensors }: MeasuredModel): void {
  const stems = [GRAM, GRAM_TRANSPOSED].filter(end => name.endsWith(end)).map(end => name.slice(0, -end.length))
  if ([name, ...stems].some(stem => tensors.has(stem))) return
  const near = nearest(stems[0] ?? name, tensors.keys())
  throw new MergeError(
    `The statistics of source ${show(id)} (${path}) have ${show(name)}, which belongs to no tensor of the model.`,
    {
      hint: `Name Fisher information like its weight, Gram matrices like it with ${show(GRAM)} behind the name.${near === undefined ? '' : ` Is it of ${show(near)}?`}`,
    },
  )
}

class TableReader {
  readonly #checkpoint: Checkpoint
  readonly #path: string
  readonly #id: string

  constructor(checkpoint: Checkpoint, path: string, id: string) {
    this.#checkpoint = checkpoint
    this.#path = path
    this.#id = id
  }

  fisher(merged: string, { name, shape, transposed }: OwnTensor): [string, { name: string; transposed: boolean }][] {
    if (!this.#checkpoint.tensors.has(name)) return []
    this.#require(name, shape, `the shape of its weight`)
    return [[merged, { name, transposed }]]
  }

  gram(merged: string, { name, shape, transposed }: OwnTensor): [string, StoredGram][] {
    const [plain, turned] = [GRAM, GRAM_TRANSPOSED].map(end => this.#checkpoint.tensors.has(name + end))
    if (!plain && !turned) return []
    if (plain && turned)
      throw this.#error(`have both ${show(name + GRAM)} and ${show(name + GRAM_TRANSPOSED)}`, 'Store one of them.')
    const own = name + (turned ? GRAM_TRANSPOSED : GRAM)
    if (shape.length !== 2) {
      throw this.#error(
        `have ${show(own)}, but ${show(name)} has the shape [${shape.join(', ')}]`,
        'Gram matrices are of weights that are matrices.',
      )
    }
    const inputs = shape[turned ? 0 : 1]!
    this.#require(own, [inputs, inputs], `the number of ${turned ? 'rows' : 'columns'} of ${show(name)} twice`)
    const wide = this.#checkpoint.tensors.get(own)!.dtype === 'F64'
    return [[merged, { name: own, inputsAlong: turned === transposed ? 'columns' : 'rows', rows: inputs, wide }]]
  }

  #require(name: string, wanted: readonly number[], why: string): void {
    const { shape, dtype } = this.#checkpoint.tensors.get(name)!
    if (!DTYPES.includes(dtype)) {
      throw this.#error(`have ${show(name)} as ${dtype}`, `Store it as F32; ${DTYPES.join(', ')} are read.`)
    }
    if (shape.length === wanted.length && shape.every((size, axis) => size === wanted[axis])) return
    throw this.#error(
      `have ${show(name)} of shape [${shape.join(', ')}], and it must be [${wanted.join(', ')}], ${why}`,
      name.endsWith(GRAM)
        ? `Of weights that are stored as (in, out) the name ends in ${show(GRAM_TRANSPOSED)}.`
        : name.endsWith(GRAM_TRANSPOSED)
          ? `Of weights that are stored as (out, in) the name ends in ${show(GRAM)}.`
          : 'Store it as the weight is stored.',
    )
  }

  #error(what: string, hint: string): MergeError {
    return new MergeError(`The statistics of source ${show(this.#id)} (${this.#path}) ${what}.`, { hint })
  }
}
