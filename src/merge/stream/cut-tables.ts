import { aligned } from './areas.ts'
import type { TileFrame } from './tile-frame.ts'

/** float32 magnitudes have 31 bits: the upper 15 choose a bin, the lower 16 a place in it. */
export const HIGH_BINS = 1 << 15
export const LOW_BINS = 1 << 16
/** Bits of infinity and beyond. */
export const NOT_FINITE = 0x7f80
/** Bins of a window at most, and of all windows together: 256 KiB each. */
const WINDOW_BINS = 8
const ALL_WINDOW_BINS = 24
/** Three u32. */
const STATE_BYTES = 64

/** A cut that is looked for: of which input, and how many elements are above it. */
export interface Wanted {
  readonly input: number
  readonly above: number
}

/** A cut up to what float32 tells apart. */
export interface FoundCut {
  /** Bits of the magnitude rounded to float32. */
  readonly threshold: number
  /** How many of the elements that have it are above. */
  readonly equalAbove: number
  /** Whether all of them are. */
  readonly all: boolean
  /** Whether these may differ in float64, and some of them are below. */
  readonly open: boolean
}

/** Where the counters of a search for cuts lie in the frame's memory. */
export class CutTables {
  /** Address of 32768 u32, by position of the input. */
  readonly high: (position: number) => number
  /** Address of the lower bits' counters, by position of the cut: of one bin, or of a window. */
  readonly low: (position: number) => number
  /** How many bins a window may have. */
  readonly bins: number
  /** Address of three u32. */
  readonly state: number
  /** Address of a float64 for each element of a chunk. */
  readonly gathered: number

  /** @param room address of {@link cutBytes} bytes */
  constructor(room: number, inputs: number, cuts: number) {
    this.high = position => room + position * HIGH_BINS * 4
    this.bins = Math.max(1, Math.min(WINDOW_BINS, Math.floor(ALL_WINDOW_BINS / cuts)))
    this.low = position => this.high(inputs) + position * this.bins * LOW_BINS * 4
    this.state = this.low(cuts)
    this.gathered = this.state + STATE_BYTES
  }
}

/** What a search for at most so many cuts over so many models needs of the frame: fewer cuts have wider windows, so not simply less. */
export function cutBytes(models: number, cuts: number, chunk: number): number {
  const lows = Math.max(cuts, Math.min(cuts * WINDOW_BINS, ALL_WINDOW_BINS))
  return models * HIGH_BINS * 4 + lows * LOW_BINS * 4 + STATE_BYTES + aligned(chunk * 8)
}

/** `count` counters, all zero. */
export function clearTable({ u32 }: TileFrame, at: number, count: number): Uint32Array {
  return u32.subarray(at / 4, at / 4 + count).fill(0)
}

/** The bin, from the last, in which the `above`-th element lies, and the how many-th it is there. Undefined: there are fewer. */
export function descend(
  table: Uint32Array,
  above: number,
): { readonly bin: number; readonly left: number } | undefined {
  let left = above
  for (let bin = table.length - 1; bin >= 0; bin--) {
    const count = table[bin]!
    if (left <= count) return { bin, left }
    left -= count
  }
  return undefined
}
