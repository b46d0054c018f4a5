import { MergeError, show } from '../errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { decodeToFloat32, dtypeBytes, isWeightDtype } from '../formats/dtype.ts'

/** NaN and infinities in weights: told by tensor, and refused unless they are allowed. */

export interface NonFinite {
  readonly tensor: string
  /** Elements that are NaN or an infinity. */
  readonly count: number
  /** The first of them: its place in row-major order, and what it is. */
  readonly element: number
  readonly value: number
}

/** Elements that are read at a time. */
const STRETCH = 1 << 18

/** Counts over the stretches of one tensor, in order. */
export class NonFiniteCount {
  #seen = 0
  #count = 0
  #first: { readonly element: number; readonly value: number } | undefined

  /** @returns how many of these are not finite */
  add(values: ArrayLike<number>): number {
    let own = 0
    for (let i = 0; i < values.length; i++) {
      if (Number.isFinite(values[i])) continue
      own++
      this.#first ??= { element: this.#seen + i, value: values[i]! }
    }
    this.skip(values.length)
    this.#count += own
    return own
  }

  /** Elements that are known to be finite. */
  skip(elements: number): void {
    this.#seen += elements
  }

  of(tensor: string): NonFinite | undefined {
    return this.#first === undefined ? undefined : { tensor, count: this.#count, ...this.#first }
  }
}

/** What a float tensor of a checkpoint has of them, as float32. Reads it through; undefined if all is finite. */
export function findNonFinite(checkpoint: Checkpoint, tensor: string): NonFinite | undefined {
  const { dtype, byteLength } = checkpoint.tensors.get(tensor)!
  if (!isWeightDtype(dtype)) return undefined
  const elements = byteLength / dtypeBytes(dtype)
  const found = new NonFiniteCount()
  for (let at = 0; at < elements; at += STRETCH) {
    const floats = new Float32Array(Math.min(STRETCH, elements - at))
    const bytes = new Uint8Array(floats.length * dtypeBytes(dtype))
    checkpoint.readRange(tensor, at * dtypeBytes(dtype), bytes)
    decodeToFloat32(bytes, dtype, floats)
    found.add(floats)
  }
  return found.of(tensor)
}

/** "3 values that are NaN or infinite as float32 in tensor "w"; the first is NaN, element 17". */
export function describeNonFinite({ tensor, count, element, value }: NonFinite): string {
  const what =
    count === 1 ? 'a value that is NaN or infinite as float32' : `${count} values that are NaN or infinite as float32`
  return `${what} in tensor ${show(tensor)}; the first is ${value}, element ${element}`
}

/**
 * @param model what has them: `Source "a" (/models/a.safetensors)`
 * @param spreads name of a method for which they cannot be allowed
 */
export function nonFiniteError(model: string, found: NonFinite, spreads?: string): MergeError {
  return new MergeError(`${model} has ${describeNonFinite(found)}.`, {
    hint:
      spreads === undefined
        ? 'Every merge with it would be damaged: leave it out or repair it. "amalgam merge --allow-non-finite" merges it all the same.'
        : `${spreads} looks at whole tensors and would spread them, allowed or not: merge this tensor by linear or task_arithmetic.`,
  })
}
