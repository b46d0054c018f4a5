import type { Checkpoint, FilePlace, TensorInfo } from '../formats/checkpoint.ts'
import { dtypeBytes } from '../formats/dtype.ts'
import type { Match } from './correspondence.ts'

/**
 * A model under the names, and in the orientation, of another: the reference, which lends the constants that the model does not store.
 */
export class RenamedCheckpoint implements Checkpoint {
  readonly path: string
  readonly files: readonly string[]
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly metadata: ReadonlyMap<string, string>
  /** With the types of the reference: what a merge is written as. */
  readonly stored: ReadonlyMap<string, TensorInfo>
  readonly #model: Checkpoint
  readonly #reference: Checkpoint
  readonly #constants: ReadonlySet<string>
  readonly #matches: ReadonlyMap<string, Match>
  /** The last transposed tensor: reads of one tensor follow each other. */
  #transposed: { readonly name: string; readonly bytes: Uint8Array } | undefined

  /**
   * Takes over the model: `close` closes it.
   * @param kept names of tensors of the model that keep their names
   * @param constants names of tensors that are the reference's
   */
  constructor(
    model: Checkpoint,
    matches: ReadonlyMap<string, Match>,
    kept: readonly string[],
    reference: Checkpoint,
    constants: readonly string[],
  ) {
    this.path = model.path
    this.files = model.files
    this.metadata = model.metadata
    this.#model = model
    this.#matches = matches
    this.#reference = reference
    this.#constants = new Set(constants)
    this.tensors = new Map([
      ...[...matches].map(([name, match]) => [name, this.#infoOf(name, match)] as const),
      ...kept.map(name => [name, model.tensors.get(name)!] as const),
      ...constants.map(name => [name, reference.tensors.get(name)!] as const),
    ])
    this.stored = new Map(
      [...this.tensors].map(([name, info]) => [name, { ...info, dtype: (reference.tensors.get(name) ?? info).dtype }]),
    )
  }

  /** What the model itself calls a tensor; undefined for what the reference lends it. */
  originOf(name: string): { readonly name: string; readonly transposed: boolean } | undefined {
    if (this.#constants.has(name)) return undefined
    return this.#matches.get(name) ?? { name, transposed: false }
  }

  read(name: string, target?: Uint8Array): Uint8Array {
    if (this.#constants.has(name)) return this.#reference.read(name, target)
    const match = this.#matches.get(name)
    if (match === undefined) return this.#model.read(name, target)
    if (!match.transposed) return this.#model.read(match.name, target)
    const bytes = target ?? new Uint8Array(this.tensors.get(name)!.byteLength)
    bytes.set(this.#transpose(match.name))
    return bytes
  }

  readRange(name: string, offset: number, target: Uint8Array): void {
    const match = this.#matches.get(name)
    if (this.#constants.has(name)) this.#reference.readRange(name, offset, target)
    else if (match?.transposed) target.set(this.#transpose(match.name).subarray(offset, offset + target.byteLength))
    else this.#model.readRange(match?.name ?? name, offset, target)
  }

  placeOf(name: string): FilePlace | undefined {
    if (this.#constants.has(name)) return this.#reference.placeOf(name)
    const match = this.#matches.get(name)
    return match?.transposed ? undefined : this.#model.placeOf(match?.name ?? name)
  }

  verifyUnchanged(): void {
    this.#model.verifyUnchanged()
  }

  close(): void {
    this.#model.close()
  }

  #infoOf(name: string, match: Match): TensorInfo {
    const info = this.#model.tensors.get(match.name)!
    return { ...info, name, shape: match.transposed ? info.shape.toReversed() : info.shape }
  }

  #transpose(name: string): Uint8Array {
    if (this.#transposed?.name !== name) {
      const { shape, dtype } = this.#model.tensors.get(name)!
      const [rows, columns] = [shape[0]!, shape[1]!]
      const size = dtypeBytes(dtype)
      const stored = this.#model.read(name)
      const bytes = new Uint8Array(stored.byteLength)
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const from = (row * columns + column) * size
          const to = (column * rows + row) * size
          for (let b = 0; b < size; b++) bytes[to + b] = stored[from + b]!
        }
      }
      this.#transposed = { name, bytes }
    }
    return this.#transposed.bytes
  }
}
