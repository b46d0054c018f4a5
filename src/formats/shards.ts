import { join } from 'node:path'
import { ConfigError } from '../errors.ts'
import type { FilePlace } from './checkpoint.ts'
import { encodeSafetensorsHeader, type TensorSpec, tensorBytes } from './safetensors.ts'
import { requireRoom, SafetensorsWriter, writeText } from './write-file.ts'

/** Weights of a folder in Hugging Face's layout: one `model.safetensors`, or shards with an index. */

/** mergekit's and the Hugging Face libraries' usual limit, in bytes. */
export const SHARD_BYTES = 5_000_000_000

/** Tensors by shard, in order: a shard is closed before the tensor that would make it too large. A larger tensor has one of its own. */
export function planShards(specs: readonly TensorSpec[], limit: number): readonly (readonly TensorSpec[])[] {
  if (!(limit >= 1)) throw new ConfigError(`A shard needs at least 1 byte, got ${limit}.`)
  const shards: TensorSpec[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const spec of specs) {
    const size = tensorBytes(spec)
    if (bytes + size > limit) {
      shards.push([])
      bytes = 0
    }
    shards.at(-1)!.push(spec)
    bytes += size
  }
  return shards
}

/** Writes tensors one after another into the shards they belong to. The folder must exist; nothing in it is replaced. */
export class ShardedWriter {
  /** In the order in which bytes must be appended. */
  readonly entries: readonly TensorSpec[]
  readonly #folder: string
  readonly #shards: readonly (readonly TensorSpec[])[]
  readonly #metadata: ReadonlyMap<string, string>
  #position = -1
  #left = 0 // bytes of the open shard still to come
  #writer: SafetensorsWriter | undefined
  /** Shards with room that may still have to be filled. */
  #pending: SafetensorsWriter[] = []
  #reserved = false

  constructor(
    folder: string,
    specs: readonly TensorSpec[],
    metadata: ReadonlyMap<string, string>,
    limit: number = SHARD_BYTES,
  ) {
    this.#folder = folder
    this.#shards = planShards(specs, limit)
    this.#metadata = metadata
    // A shard's file has its own order of tensors (by alignment): what is appended follows it.
    const layouts = this.#shards.map(shard => encodeSafetensorsHeader(shard, metadata))
    this.entries = layouts.flatMap(({ entries }) => entries)
    requireRoom(
      join(folder, 'model.safetensors'),
      layouts.reduce((sum, { fileBytes }) => sum + fileBytes, 0),
    )
  }

  /** Names of the weight files, and of the index if there is one. */
  get files(): readonly string[] {
    const names = this.#shards.map((_, i) => this.#name(i))
    return this.#shards.length > 1 ? [...names, 'model.safetensors.index.json'] : names
  }

  append(bytes: Uint8Array): void {
    let done = 0
    while (done < bytes.byteLength) {
      if (this.#left === 0) this.#next()
      const part = bytes.subarray(done, done + Math.min(this.#left, bytes.byteLength - done))
      this.#writer!.append(part)
      done += part.byteLength
      this.#left -= part.byteLength
    }
  }

  /** Room for a whole tensor, as {@link SafetensorsWriter.reserve}; it must be filled before `settle` or `commit`. */
  reserve(bytes: number): FilePlace {
    if (this.#left === 0) this.#next()
    if (bytes > this.#left) throw new RangeError(`${bytes} bytes do not fit into the ${this.#left} left of a shard.`)
    this.#left -= bytes
    this.#reserved = true
    return this.#writer!.reserve(bytes)
  }

  /** Files that are open for writing: more after every shard that was passed by `reserve`, until they are settled. */
  get openFiles(): number {
    return this.#pending.length + (this.#writer === undefined ? 0 : 1)
  }

  /** Says that all room is filled: complete shards are forced to disk and closed. */
  settle(): void {
    for (const writer of this.#pending) writer.commit()
    this.#pending = []
    this.#reserved = false
  }

  /** Closes the last shard and writes the index. @throws {RangeError} when bytes are missing. */
  commit(): void {
    while (this.#position < this.#shards.length - 1 && this.#left === 0) this.#next()
    this.settle()
    this.#writer?.commit()
    this.#writer = undefined
    if (this.#shards.length < 2) return
    const map = Object.fromEntries(
      this.#shards.flatMap((shard, i) => shard.map(({ name }) => [name, this.#name(i)] as const)),
    )
    const total = this.#shards.flat().reduce((sum, spec) => sum + tensorBytes(spec), 0)
    const index = { metadata: { total_size: total }, weight_map: map }
    writeText(join(this.#folder, 'model.safetensors.index.json'), `${JSON.stringify(index, undefined, 2)}\n`)
  }

  abort(): void {
    for (const writer of this.#pending) writer.abort()
    this.#writer?.abort()
  }

  #next(): void {
    if (this.#writer !== undefined) this.#pending.push(this.#writer)
    this.#writer = undefined
    if (!this.#reserved) this.settle()
    this.#position++
    const shard = this.#shards[this.#position]
    if (shard === undefined) throw new RangeError('More bytes were appended than the tensors have.')
    this.#writer = new SafetensorsWriter(join(this.#folder, this.#name(this.#position)), shard, this.#metadata)
    this.#left = shard.reduce((sum, spec) => sum + tensorBytes(spec), 0)
  }

  #name(i: number): string {
    const count = this.#shards.length
    if (count === 1) return 'model.safetensors'
    const number = (n: number) => String(n).padStart(5, '0')
    return `model-${number(i + 1)}-of-${number(count)}.safetensors`
  }
}
