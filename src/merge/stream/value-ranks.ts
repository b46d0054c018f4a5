import { aligned } from './areas.ts'
import { clearTable } from './cut-tables.ts'
import { IrregularTensor, type TileFrame } from './tile-frame.ts'

/** The upper 32 bits of a number's key are counted 16 at a time; numbers that share them are few, or equal. */
const BINS = 1 << 16
/** The bin of 0, and of nothing else unless it is below 1e-307. */
const ZERO = 1 << 15
const DISTINCT_LIMIT = 1 << 16

/** Float64 numbers, one per element, that a chunk's inputs decide. */
export interface ChunkValues {
  readonly inputs: readonly number[]
  /** Address of a float64 for each element of a chunk. */
  readonly at: number
  /** Writes those of the chunk that the frame holds. */
  readonly compute: (start: number, count: number, whole: number) => void
}

export interface RankedValue {
  readonly value: number
  /** How many numbers equal to it are at its rank or above. */
  readonly equalFrom: number
}

/** What {@link findValues} needs of the frame for so many ranks. */
export function valueRanksBytes(ranks: number, chunk: number): number {
  return ranks * BINS * 4 + aligned(ranks * 4) + aligned(chunk * 16)
}

/**
 * Numbers at given ranks, in three passes. Exact; the order is that of numbers, -0 before 0. Inputs must be finite.
 * @param room address of {@link valueRanksBytes} bytes
 * @param ranks from 0, the smallest; told how many of the numbers are 0
 * @throws {IrregularTensor} also where numbers crowd as no weights do
 */
export function findValues(
  frame: TileFrame,
  values: ChunkValues,
  room: number,
  ranks: (zeros: number) => readonly number[],
): readonly RankedValue[] {
  const { kernel, u32, f64, tensor } = frame
  const { inputs, at } = values
  const each = (visit: (count: number) => void, check = false): void =>
    frame.pass(inputs, 0, tensor.elements, (start, count, whole) => {
      if (check) for (const input of inputs) frame.requireFinite(input, whole)
      values.compute(start, count, whole)
      visit(count)
    })

  const upper = clearTable(frame, room, BINS)
  each(count => kernel.countUpperKeys(room, at, count), true)
  const found = ranks(upper[ZERO]!).map(rank => ascend(upper, rank))
  if (found.length === 0) return []

  const next = found.map((_, r) => clearTable(frame, room + r * BINS * 4, BINS))
  const uppers = room + found.length * BINS * 4
  u32.set(
    found.map(({ bin }) => bin),
    uppers / 4,
  )
  each(count => kernel.countNextKeys(room, at, uppers, found.length, count))
  const prefixes = found.map(({ bin, left }, r) => {
    const lower = ascend(next[r]!, left)
    return { upper: bin * BINS + lower.bin, left: lower.left }
  })

  const gathered = uppers + aligned(found.length * 4)
  const counts = prefixes.map(() => new Map<number, number>())
  each(count => {
    for (const [r, prefix] of prefixes.entries()) {
      const pairs = kernel.gatherKeys(gathered, at, prefix.upper, count)
      for (let k = gathered / 8; k < gathered / 8 + 2 * pairs; k += 2) {
        counts[r]!.set(f64[k]!, (counts[r]!.get(f64[k]!) ?? 0) + f64[k + 1]!)
      }
      if (counts[r]!.size > DISTINCT_LIMIT) throw new IrregularTensor()
    }
  })
  return prefixes.map(({ left }, r) => {
    for (const [value, count] of [...counts[r]!].sort(([a], [b]) => a - b)) {
      if (left < count) return { value, equalFrom: count - left }
      left -= count
    }
    throw new RangeError('Fewer numbers were found than were counted.')
  })
}

/** The bin in which the number of that rank lies, and its rank there. */
function ascend(table: Uint32Array, rank: number): { readonly bin: number; readonly left: number } {
  let left = rank
  for (const [bin, count] of table.entries()) {
    if (left < count) return { bin, left }
    left -= count
  }
  throw new RangeError(`There are no more than ${rank} elements.`)
}
