import type { TensorSpec } from './safetensors.ts'

/** A tensor of a checkpoint: what its file says about it. */
export interface TensorInfo extends TensorSpec {
  readonly byteLength: number
}

/** Where bytes lie in an open file. Descriptors are the process's, so a thread may read and write by one that another has opened. */
export interface FilePlace {
  readonly descriptor: number
  /** Bytes from the start of the file. */
  readonly begin: number
  /** Names the file in messages. */
  readonly path?: string
}

/** The weights of one model on disk, whatever their format. Reading is synchronous and by open descriptors. */
export interface Checkpoint {
  /** As given by the caller. */
  readonly path: string
  /** Every file that holds a part of the weights or says where they are, absolute. */
  readonly files: readonly string[]
  /** In file order. */
  readonly tensors: ReadonlyMap<string, TensorInfo>
  /** Texts the file carries besides the tensors. */
  readonly metadata: ReadonlyMap<string, string>
  /**
   * The little-endian bytes of a tensor, in `target` if given (which must be as long as the tensor).
   * @throws {FormatError} when there is no such tensor, or the file became shorter.
   */
  read(name: string, target?: Uint8Array): Uint8Array
  /** Fills `target` with the tensor's bytes from `offset` on. */
  readRange(name: string, offset: number, target: Uint8Array): void
  /** Where the bytes that `readRange` gives lie, valid until `close`; undefined where they are made when they are read. */
  placeOf(name: string): FilePlace | undefined
  /** @throws {FormatError} when a file was changed or replaced since it was opened. */
  verifyUnchanged(): void
  close(): void
}
