import {
  type CutTables,
  clearTable,
  descend,
  type FoundCut,
  HIGH_BINS,
  LOW_BINS,
  NOT_FINITE,
  type Wanted,
} from './cut-tables.ts'
import { IrregularTensor, type TileFrame } from './tile-frame.ts'

/** Smaller tensors are sampled for longer than they are gone through. */
const SAMPLED_FROM = 1 << 20
/** Elements that are looked at beforehand, in pieces all over the tensor: rows differ. */
const PIECES = 256
const PIECE = 1024
/** A window reaches that many standard deviations of a sampled share beyond it, either way. */
const DEVIATIONS = 5

interface Window {
  /** Its first bin, and how many it has. */
  readonly from: number
  readonly bins: number
}

/**
 * The cuts by one pass: a sample says in which window of magnitudes each lies but for one case in millions; then all elements above
 * are counted, and those in it by all their bits.
 * @returns undefined where a window would be too wide, or the cut is not in it: nothing is known then
 */
export function findInWindows(
  frame: TileFrame,
  inputs: readonly number[],
  wanted: readonly Wanted[],
  tables: CutTables,
): readonly FoundCut[] | undefined {
  const { elements } = frame.tensor
  if (elements < SAMPLED_FROM) return undefined
  const windows = sampleWindows(frame, inputs, wanted, tables)
  if (windows === undefined) return undefined
  const { kernel, u32 } = frame
  const counters = windows.map(({ bins }, c) => clearTable(frame, tables.low(c), bins * LOW_BINS))
  const state = u32.subarray(tables.state / 4, tables.state / 4 + 3)
  const counts = windows.map(() => ({ above: 0, rounded: 0 }))
  let zeros = 0 // that fill up last blocks
  frame.pass([0, ...inputs], 0, elements, (_start, count, whole) => {
    zeros += whole - count
    for (const [c, { from, bins }] of windows.entries()) {
      state.fill(0)
      const x = frame.at(wanted[c]!.input)
      kernel.countWindow(tables.low(c), x, frame.at(0), from * LOW_BINS, bins * LOW_BINS, tables.state, whole)
      if (state[1]! >= NOT_FINITE * LOW_BINS) throw new IrregularTensor()
      counts[c]!.above += state[0]!
      counts[c]!.rounded |= state[2]!
    }
  })
  const cuts = windows.map(({ from }, c): FoundCut | undefined => {
    const { above, rounded } = counts[c]!
    const table = counters[c]!
    if (from === 0) table[0]! -= zeros
    const left = wanted[c]!.above - above
    const found = left > 0 ? descend(table, left) : undefined
    if (found === undefined) return undefined
    const isRounded = ((rounded >>> Math.floor(found.bin / LOW_BINS)) & 1) !== 0
    return {
      threshold: from * LOW_BINS + found.bin,
      equalAbove: found.left,
      all: found.left === table[found.bin]!,
      open: isRounded && found.left < table[found.bin]!,
    }
  })
  return cuts.every(cut => cut !== undefined) ? cuts : undefined
}

function sampleWindows(
  frame: TileFrame,
  inputs: readonly number[],
  wanted: readonly Wanted[],
  tables: CutTables,
): readonly Window[] | undefined {
  const { elements } = frame.tensor
  const { kernel } = frame
  const bins = inputs.map((_, position) => clearTable(frame, tables.high(position), HIGH_BINS))
  for (let piece = 0; piece < PIECES; piece++) {
    const begin = Math.floor((piece * (elements - PIECE)) / (PIECES - 1))
    frame.pass([0, ...inputs], begin, begin + PIECE, (_start, _count, whole) => {
      for (const [position, input] of inputs.entries()) {
        kernel.histogramHigh(tables.high(position), frame.at(input), frame.at(0), whole)
      }
    })
  }
  const size = PIECES * PIECE
  const windows = wanted.map(({ input, above }): Window | undefined => {
    const table = bins[inputs.indexOf(input)]!
    const share = above / elements
    const margin = DEVIATIONS * Math.sqrt(share * (1 - share) * size) + 1
    const last = descend(table, Math.max(1, Math.floor(share * size - margin)))!.bin
    const first = descend(table, Math.min(size, Math.ceil(share * size + margin)))!.bin
    // At either end of the sample there may be more beyond.
    const bounded = share * size - margin >= 1 && share * size + margin <= size
    const count = last - first + 1
    return bounded && count <= tables.bins && last < NOT_FINITE ? { from: first, bins: count } : undefined
  })
  return windows.every(window => window !== undefined) ? windows : undefined
}
