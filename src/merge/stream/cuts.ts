import {
  CutTables,
  clearTable,
  descend,
  type FoundCut,
  HIGH_BINS,
  LOW_BINS,
  NOT_FINITE,
  type Wanted,
} from './cut-tables.ts'
import { findInWindows } from './cut-windows.ts'
import type { Thinning } from './stream-tensor.ts'
import { IrregularTensor, type TileFrame } from './tile-frame.ts'

/**
 * A magnitude, and how many of the elements that have it lie above the cut, in the order of their positions. Exactly as many elements are
 * above as were asked for.
 */
export interface Cut {
  /** Bits of the magnitude rounded to float32. */
  readonly threshold: number
  /** In float64, where float32 does not tell it from its neighbours; -1: all that round to the threshold are equal. */
  readonly exact: number
  readonly equalAbove: number
  /** Whether these are all that have it. */
  readonly all: boolean
}

/** Which elements a selection by magnitude keeps: those above `low` that are not above `high`. Undefined: no such bound. */
export interface Selection {
  readonly low: Cut | undefined
  readonly high: Cut | undefined
}

/** Different magnitudes that round to one float32: there are a handful, unless somebody made them. */
const DISTINCT_LIMIT = 1 << 16

/**
 * The cuts of all models that are thinned by magnitude, by counting: in one pass where a sample says about where they lie, else in one over
 * upper bits and one over lower bits; and one more where float32 merges magnitudes that differ.
 * @param room address of `cutBytes` bytes
 */
export function findSelections(
  frame: TileFrame,
  thinned: readonly { readonly input: number; readonly thinning: Thinning }[],
  room: number,
): readonly (Selection | undefined)[] {
  const { elements } = frame.tensor
  const wanted: Wanted[] = []
  const inputs: number[] = []
  const selections = thinned.map(({ input, thinning }) => {
    if (thinning.kind !== 'largest') return undefined
    inputs.push(input)
    const want = (above: number) => (above === 0 || above === elements ? undefined : wanted.push({ input, above }) - 1)
    return { low: want(thinning.to), high: want(thinning.from) }
  })
  const cuts = findCuts(frame, inputs, wanted, room)
  return selections.map(selection => {
    if (selection === undefined) return undefined
    const [low, high] = [selection.low, selection.high].map(at => (at === undefined ? undefined : cuts[at]!))
    // Zeros are nothing, kept or not.
    return { low: low?.threshold === 0 ? undefined : low, high }
  })
}

function findCuts(
  frame: TileFrame,
  inputs: readonly number[],
  wanted: readonly Wanted[],
  room: number,
): readonly Cut[] {
  if (wanted.length === 0) return []
  const { kernel, f64 } = frame
  const { elements } = frame.tensor
  const tables = new CutTables(room, inputs.length, wanted.length)
  const cuts = findInWindows(frame, inputs, wanted, tables) ?? findInTwoPasses(frame, inputs, wanted, tables)
  if (cuts.every(({ open }) => !open)) return cuts.map(cut => ({ ...cut, exact: -1 }))

  const counts = cuts.map(() => new Map<number, number>())
  frame.pass([0, ...inputs], 0, elements, (_start, _count, whole) => {
    for (const [c, { open, threshold }] of cuts.entries()) {
      if (!open) continue
      const found = kernel.gatherEqual(tables.gathered, frame.at(wanted[c]!.input), frame.at(0), threshold, whole)
      for (const size of f64.subarray(tables.gathered / 8, tables.gathered / 8 + found)) {
        counts[c]!.set(size, (counts[c]!.get(size) ?? 0) + 1)
      }
      if (counts[c]!.size > DISTINCT_LIMIT) throw new IrregularTensor()
    }
  })
  return cuts.map((cut, c) => {
    if (!cut.open) return { ...cut, exact: -1 }
    let left = cut.equalAbove
    for (const [exact, count] of [...counts[c]!].sort(([a], [b]) => b - a)) {
      if (left <= count) return { threshold: cut.threshold, exact, equalAbove: left, all: left === count }
      left -= count
    }
    throw new RangeError('Fewer magnitudes were found than were counted.')
  })
}

function findInTwoPasses(
  frame: TileFrame,
  inputs: readonly number[],
  wanted: readonly Wanted[],
  tables: CutTables,
): readonly FoundCut[] {
  const { kernel } = frame
  const { elements } = frame.tensor
  const read = [0, ...inputs]
  const bins = inputs.map((_, position) => clearTable(frame, tables.high(position), HIGH_BINS))
  let zeros = 0 // that fill up last blocks
  frame.pass(read, 0, elements, (_start, count, whole) => {
    zeros += whole - count
    for (const [position, input] of inputs.entries()) {
      kernel.histogramHigh(tables.high(position), frame.at(input), frame.at(0), whole)
    }
  })
  for (const table of bins) {
    if (table.subarray(NOT_FINITE).some(count => count > 0)) throw new IrregularTensor()
    table[0]! -= zeros
  }
  const found = wanted.map(({ input, above }) => ({ input, ...place(bins[inputs.indexOf(input)]!, above) }))
  const lows = found.map((_, c) => clearTable(frame, tables.low(c), LOW_BINS))
  const rounded = found.map(() => false)
  frame.pass(read, 0, elements, (_start, _count, whole) => {
    for (const [c, { input, bin }] of found.entries()) {
      if (kernel.histogramLow(tables.low(c), frame.at(input), frame.at(0), bin, whole) !== 0) rounded[c] = true
    }
  })
  return found.map(({ bin, left }, c) => {
    const table = lows[c]!
    if (bin === 0) table[0]! -= zeros
    const low = place(table, left)
    const open = rounded[c]! && low.left < table[low.bin]!
    return { threshold: bin * LOW_BINS + low.bin, equalAbove: low.left, all: low.left === table[low.bin]!, open }
  })
}

function place(table: Uint32Array, above: number): { readonly bin: number; readonly left: number } {
  const found = descend(table, above)
  if (found === undefined) throw new RangeError(`There are fewer than ${above} elements.`)
  return found
}
