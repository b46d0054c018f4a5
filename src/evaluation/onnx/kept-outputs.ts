import type { KeptRows } from './tasks/task.ts'

/** Bytes of experts' outputs that a session keeps. */
export const KEPT_LIMIT = 256 << 20

/**
 * Outputs of experts, of all tasks and splits, in bounded memory: what comes first is kept, what no longer fits is computed again by whoever
 * needs it. Nothing is dropped for something else, since candidates look at the examples in one order, from the front.
 */
export class KeptOutputs {
  readonly #rows = new Map<string, Map<number, readonly Float32Array[]>>()
  #free: number

  /** @param limit bytes */
  constructor(limit: number) {
    this.#free = limit
  }

  /** @param key of the task and the split that the rows belong to */
  rowsOf(key: string): KeptRows {
    const own = this.#rows.get(key) ?? new Map<number, readonly Float32Array[]>()
    this.#rows.set(key, own)
    return {
      get: row => own.get(row),
      keep: (row, outputs) => {
        const bytes = outputs.reduce((sum, { byteLength }) => sum + byteLength, 0)
        if (own.has(row) || bytes > this.#free) return
        this.#free -= bytes
        own.set(
          row,
          outputs.map(output => output.slice()),
        )
      },
    }
  }
}
