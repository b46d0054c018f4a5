import type { Window } from './operator.ts'

const DIGITS = 4
const VALUES = 1 << 16

/**
 * Values at given ranks of a list that is seen four times, window by window, and never held: each time sixteen more bits of the values are
 * known, counting those that have the bits found so far. Exact; the order is that of numbers, -0 before 0.
 */
export class RankSearch {
  readonly #elements: number
  readonly #ranks: () => readonly number[]
  /** By rank: digits found, the highest first. */
  #found: number[][] = [[]]
  /** By rank: how many values with these digits are smaller. */
  #left: number[] = []
  #counts: Uint32Array[] = [new Uint32Array(VALUES)]
  #equal: number[] = []
  #seen = 0

  /** @param ranks from 0, the smallest; asked for when all values have been seen once */
  constructor(elements: number, ranks: () => readonly number[]) {
    this.#elements = elements
    this.#ranks = ranks
  }

  /** For the four times. @param values of a window; may be changed */
  passes(values: (window: Window) => Float64Array): ((window: Window) => void)[] {
    return Array.from({ length: DIGITS }, (_, pass) => (window: Window) => this.#count(pass, values(window)))
  }

  /** Of the rank at that position. */
  value(at: number): number {
    const digits = this.#found[at]!
    const isNegative = digits[0]! < VALUES / 2
    const own = digits.map((digit, d) => (isNegative ? digit ^ 0xffff : d === 0 ? digit ^ 0x8000 : digit))
    return new Float64Array(Uint16Array.from(own.reverse()).buffer)[0]!
  }

  /** How many values equal to that of the rank are at this rank or above, in the order of the values. */
  equalFrom(at: number): number {
    return this.#equal[at]! - this.#left[at]!
  }

  #count(pass: number, values: Float64Array): void {
    const words = new Uint16Array(values.buffer, values.byteOffset, values.length * DIGITS)
    const counts = this.#counts
    for (let i = 0; i < words.length; i += DIGITS) {
      const flip = words[i + 3]! >= 0x8000 ? 0xffff : 0
      const first = words[i + 3]! ^ (flip || 0x8000)
      for (let r = 0; r < counts.length; r++) {
        const found = this.#found[r]!
        if (pass > 0 && first !== found[0]) continue
        if (pass > 1 && (words[i + 2]! ^ flip) !== found[1]) continue
        if (pass > 2 && (words[i + 1]! ^ flip) !== found[2]) continue
        const digit = pass === 0 ? first : words[i + 3 - pass]! ^ flip
        counts[r]![digit]! += 1
      }
    }
    this.#seen += values.length
    if (values.length > 0 && this.#seen === this.#elements * (pass + 1)) this.#descend(pass)
  }

  #descend(pass: number): void {
    if (pass === 0) {
      this.#left = [...this.#ranks()]
      this.#found = this.#left.map(() => [])
      this.#counts = this.#left.map(() => this.#counts[0]!)
    }
    for (const [r, counts] of this.#counts.entries()) {
      let digit = 0
      while (digit < VALUES - 1 && counts[digit]! <= this.#left[r]!) this.#left[r]! -= counts[digit++]!
      this.#found[r]!.push(digit)
      this.#equal[r] = counts[digit]!
    }
    this.#counts = this.#counts.map(() => new Uint32Array(VALUES))
  }
}
