/** Bytes that one room keeps. */
const ROOM_LIMIT = 64 << 20

/**
 * Memory for the facts of one task, candidate after candidate. Memory that is new to the process costs several times what it takes to write
 * facts there, and what is thrown away by the megabyte makes the garbage collector run for every candidate.
 */
export class FactsRoom {
  readonly #limit: number
  #values = new Float32Array(0)

  /** @param limit bytes that are kept at most; what needs more is not kept */
  constructor(limit = ROOM_LIMIT) {
    this.#limit = limit
  }

  /** Shape (length,), to be filled: it holds anything. It is the caller's until the next call. */
  take(length: number): Float32Array {
    if (length * Float32Array.BYTES_PER_ELEMENT > this.#limit) return new Float32Array(length)
    if (length > this.#values.length) this.#values = new Float32Array(length)
    return this.#values.subarray(0, length)
  }
}
