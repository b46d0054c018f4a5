import { resolve } from 'node:path'
import { FormatError, nearest, show } from '../errors.ts'
import type { Checkpoint, FilePlace, TensorInfo } from './checkpoint.ts'
import type { OpenFile } from './opened-file.ts'

/** Where the bytes of a tensor are: from `begin` on in an open file, or to be gathered where the format does not store them as they are. */
export type TensorPlace = { readonly file: OpenFile; readonly begin: number } | { readonly gather: () => Uint8Array }

export type PlacedTensors = ReadonlyMap<string, { readonly info: TensorInfo; readonly place: TensorPlace }>

/** A checkpoint whose tensors have known places. */
export class PlacedCheckpoint implements Checkpoint {
  readonly path: string
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly metadata: ReadonlyMap<string, string>
  readonly #files: readonly OpenFile[]
  readonly #places: ReadonlyMap<string, TensorPlace>
  /** The tensor that was gathered last: reads of one tensor follow each other. */
  #gathered: { readonly name: string; readonly bytes: Uint8Array } | undefined

  constructor(
    path: string,
    files: readonly OpenFile[],
    tensors: PlacedTensors,
    metadata: ReadonlyMap<string, string> = new Map(),
  ) {
    this.path = path
    this.#files = files
    this.tensors = new Map([...tensors].map(([name, { info }]) => [name, info]))
    this.#places = new Map([...tensors].map(([name, { place }]) => [name, place]))
    this.metadata = metadata
  }

  get files(): readonly string[] {
    return this.#files.map(file => resolve(file.path))
  }

  read(name: string, target?: Uint8Array): Uint8Array {
    const { byteLength } = this.#info(name)
    const bytes = target ?? new Uint8Array(byteLength)
    if (bytes.byteLength !== byteLength) {
      throw new RangeError(`Tensor ${show(name)} has ${byteLength} bytes, the target ${bytes.byteLength}.`)
    }
    this.readRange(name, 0, bytes)
    return bytes
  }

  readRange(name: string, offset: number, target: Uint8Array): void {
    const { byteLength } = this.#info(name)
    if (offset < 0 || offset + target.byteLength > byteLength) {
      throw new RangeError(
        `Bytes ${offset}..${offset + target.byteLength} are outside tensor ${show(name)} of ${byteLength}.`,
      )
    }
    const place = this.#places.get(name)!
    if ('file' in place) place.file.read(place.begin + offset, target)
    else target.set(this.#gather(name, place.gather).subarray(offset, offset + target.byteLength))
  }

  placeOf(name: string): FilePlace | undefined {
    this.#info(name)
    const place = this.#places.get(name)!
    return 'file' in place ? { descriptor: place.file.descriptor, begin: place.begin } : undefined
  }

  verifyUnchanged(): void {
    for (const file of this.#files) file.verifyUnchanged()
  }

  close(): void {
    this.#gathered = undefined
    for (const file of this.#files) file.close()
  }

  #gather(name: string, gather: () => Uint8Array): Uint8Array {
    if (this.#gathered?.name !== name) this.#gathered = { name, bytes: gather() }
    return this.#gathered.bytes
  }

  #info(name: string): TensorInfo {
    const info = this.tensors.get(name)
    if (info !== undefined) return info
    const near = nearest(name, this.tensors.keys())
    throw new FormatError(`${this.path} has no tensor ${show(name)}.`, {
      ...(near === undefined ? {} : { hint: `Did you mean ${show(near)}?` }),
    })
  }
}
