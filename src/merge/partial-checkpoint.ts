import { FormatError, show } from '../errors.ts'
import type { Checkpoint, FilePlace, TensorInfo } from '../formats/checkpoint.ts'
import { matchesAny } from './pattern.ts'

/** A model without some of its tensors: as if its files did not have them. */
export class PartialCheckpoint implements Checkpoint {
  readonly path: string
  readonly files: readonly string[]
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly metadata: ReadonlyMap<string, string>
  /** The whole model. */
  readonly model: Checkpoint

  /**
   * Takes over the model: `close` closes it.
   * @param without names, or patterns with "*" and "?", of tensors to leave out
   */
  constructor(model: Checkpoint, without: readonly string[]) {
    this.model = model
    this.path = model.path
    this.files = model.files
    this.metadata = model.metadata
    this.tensors = new Map([...model.tensors].filter(([name]) => !matchesAny(without, name)))
  }

  read(name: string, target?: Uint8Array): Uint8Array {
    this.#require(name)
    return this.model.read(name, target)
  }

  readRange(name: string, offset: number, target: Uint8Array): void {
    this.#require(name)
    this.model.readRange(name, offset, target)
  }

  placeOf(name: string): FilePlace | undefined {
    this.#require(name)
    return this.model.placeOf(name)
  }

  verifyUnchanged(): void {
    this.model.verifyUnchanged()
  }

  close(): void {
    this.model.close()
  }

  #require(name: string): void {
    if (!this.tensors.has(name))
      throw new FormatError(`${this.path} has no tensor ${show(name)} among those that are merged.`)
  }
}
