/** To a multiple of the kernels' block. */
export function aligned(bytes: number): number {
  return Math.ceil(bytes / 64) * 64
}

/** Lays out a kernel's memory: areas one after another, each aligned. */
export class Areas {
  #end: number

  /** @param from bytes that are taken already, from address 0 on */
  constructor(from = 0) {
    this.#end = aligned(from)
  }

  /** @returns the address of that many bytes */
  take(bytes: number): number {
    const at = this.#end
    this.#end += aligned(bytes)
    return at
  }

  /** Bytes of all areas. */
  get bytes(): number {
    return this.#end
  }
}
