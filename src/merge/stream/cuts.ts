import type { Thinning } from './stream-tensor.ts'
import { aligned, IrregularTensor, type TileFrame } from './tile-frame.ts'

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
}

/** Which elements a selection by magnitude keeps: those above `low` that are not above `high`. Undefined: no such bound. */
export interface Selection {
  readonly low: Cut | undefined
  readonly high: Cut | undefined
}

/** float32 magnitudes have 31 bits: the upper 15 choose a bin, the lower 16 a place in it. */
const HIGH_BINS = 1 << 15
const LOW_BINS = 1 << 16
/** Bits of infinity and beyond. */
const NOT_FINITE = 0x7f80
/** Different magnitudes that round to one float32: there are a handful, unless somebody made them. */
const DISTINCT_LIMIT = 1 << 16

interface Wanted {
  readonly input: number
  /** How many elements are above the cut. */
  readonly above: number
}

/** What a search for so many cuts over so many models needs of the frame. */
export function cutBytes(models: number, cuts: number, chunk: number): number {
  return models * HIGH_BINS * 4 + cuts * LOW_BINS * 4 + aligned(chunk * 8)
}

/**
 * The cuts of all models that are thinned by magnitude, by counting: one pass over upper bits, one over lower bits, and one more where
 * float32 merges magnitudes that differ.
 * @param room address of {@link cutBytes} bytes
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
  const { kernel, u32, f64 } = frame
  const { elements } = frame.tensor
  const highAt = (position: number) => room + position * HIGH_BINS * 4
  const lowAt = (position: number) => highAt(inputs.length) + position * LOW_BINS * 4
  const gathered = lowAt(wanted.length)
  u32.fill(0, room / 4, gathered / 4)
  const read = [0, ...inputs]
  let zeros = 0 // that fill up last blocks
  frame.pass(read, 0, elements, (_start, count, whole) => {
    zeros += whole - count
    for (const [position, input] of inputs.entries()) {
      kernel.histogramHigh(highAt(position), frame.at(input), frame.at(0), whole)
    }
  })
  const bins = inputs.map((_, position) => {
    const table = u32.subarray(highAt(position) / 4, highAt(position) / 4 + HIGH_BINS)
    if (table.subarray(NOT_FINITE).some(count => count > 0)) throw new IrregularTensor()
    table[0]! -= zeros
    return table
  })
  const found = wanted.map(({ input, above }) => ({ input, ...descend(bins[inputs.indexOf(input)]!, above) }))

  const rounded = found.map(() => false)
  frame.pass(read, 0, elements, (_start, _count, whole) => {
    for (const [c, { input, bin }] of found.entries()) {
      if (kernel.histogramLow(lowAt(c), frame.at(input), frame.at(0), bin, whole) !== 0) rounded[c] = true
    }
  })
  const cuts = found.map(({ bin, left }, c): Cut & { readonly open: boolean } => {
    const table = u32.subarray(lowAt(c) / 4, lowAt(c) / 4 + LOW_BINS)
    if (bin === 0) table[0]! -= zeros
    const low = descend(table, left)
    const open = rounded[c]! && low.left < table[low.bin]!
    return { threshold: bin * LOW_BINS + low.bin, exact: -1, equalAbove: low.left, open }
  })
  if (cuts.every(({ open }) => !open)) return cuts

  const counts = cuts.map(() => new Map<number, number>())
  frame.pass(read, 0, elements, (_start, _count, whole) => {
    for (const [c, { open, threshold }] of cuts.entries()) {
      if (!open) continue
      const found = kernel.gatherEqual(gathered, frame.at(wanted[c]!.input), frame.at(0), threshold, whole)
      for (const size of f64.subarray(gathered / 8, gathered / 8 + found)) {
        counts[c]!.set(size, (counts[c]!.get(size) ?? 0) + 1)
      }
      if (counts[c]!.size > DISTINCT_LIMIT) throw new IrregularTensor()
    }
  })
  return cuts.map((cut, c) => {
    if (!cut.open) return cut
    let left = cut.equalAbove
    for (const [exact, count] of [...counts[c]!].sort(([a], [b]) => b - a)) {
      if (left <= count) return { threshold: cut.threshold, exact, equalAbove: left }
      left -= count
    }
    throw new RangeError('Fewer magnitudes were found than were counted.')
  })
}

/** The bin, from the last, in which the `above`-th element lies, and the how many-th it is there. */
function descend(table: Uint32Array, above: number): { readonly bin: number; readonly left: number } {
  let left = above
  for (let bin = table.length - 1; bin >= 0; bin--) {
    const count = table[bin]!
    if (left <= count) return { bin, left }
    left -= count
  }
  throw new RangeError(`There are fewer than ${above} elements.`)
}
