/**
 * Seeded, splittable, serialisable random numbers.
 *
 * Generator: xoshiro128** 1.1 (D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47(4), 2021),
 * four 32-bit words of state; seeded with SplitMix32-style mixing of the seed and of a label, so that streams split by name
 * do not overlap in practice.
 */
export interface Rng {
  /** Uniform in [0, 1), 53 bits. */
  uniform(): number
  /** Standard normal. */
  normal(): number
  /** Uniform integer in [low, high). */
  integer(low: number, high: number): number
  /** An independent stream, a function of this stream's *seed* and the label only (not of how far it has run). */
  split(label: string): Rng
  /** Everything needed to continue with {@link restoreRng}; JSON-safe. */
  state(): RngState
}

export interface RngState {
  readonly key: number // the seed word that `split` mixes with its label
  readonly words: readonly [number, number, number, number]
  /** The second normal of the last Box-Muller pair, if not yet handed out. */
  readonly spare: number | null
}

/** @param seed any safe integer. */
export function createRng(seed: number): Rng {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`Expected the seed to be a safe integer, got ${seed}.`)
  const low = seed >>> 0
  const high = Math.floor(seed / 2 ** 32) >>> 0
  return fromKey(mix(low ^ mix(high + 0x9e3779b9)))
}

export function restoreRng(state: RngState): Rng {
  return new Xoshiro128(state.key, [...state.words], state.spare ?? undefined)
}

function fromKey(key: number): Rng {
  // `mix` is a bijection, so at most one of the four words is zero: never the all-zero state, which is a fixed point.
  const word = (i: number): number => mix((key + i * 0x9e3779b9) >>> 0)
  return new Xoshiro128(key, [word(1), word(2), word(3), word(4)], undefined)
}

/** 32-bit finaliser (murmur3's, the constants of which are public). */
function mix(x: number): number {
  let z = x >>> 0
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
  return (z ^ (z >>> 16)) >>> 0
}

/** 32-bit FNV-1a of a string's UTF-16 code units. */
function hashLabel(label: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < label.length; i++) h = Math.imul(h ^ label.charCodeAt(i), 0x01000193)
  return h >>> 0
}

class Xoshiro128 implements Rng {
  readonly #key: number
  #words: [number, number, number, number]
  #spare: number | undefined

  constructor(key: number, words: [number, number, number, number], spare: number | undefined) {
    this.#key = key
    this.#words = words
    this.#spare = spare
  }

  #next(): number {
    const s = this.#words
    const product = Math.imul(s[1], 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0
    const t = s[1] << 9
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = (s[3] << 11) | (s[3] >>> 21)
    return result
  }

  uniform(): number {
    const high = this.#next() >>> 5 // 27 bits
    const low = this.#next() >>> 6 // 26 bits
    return (high * 67108864 + low) / 9007199254740992
  }

  /** Box-Muller, both values used. */
  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare
      this.#spare = undefined
      return spare
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()))
    const angle = 2 * Math.PI * this.uniform()
    this.#spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }

  integer(low: number, high: number): number {
    const span = high - low
    if (!Number.isSafeInteger(span) || span <= 0)
      throw new RangeError(`Expected integers low < high, got [${low}, ${high}).`)
    return low + Math.floor(this.uniform() * span)
  }

  split(label: string): Rng {
    return fromKey(mix(this.#key ^ mix(hashLabel(label))))
  }

  state(): RngState {
    const [a, b, c, d] = this.#words
    return { key: this.#key, words: [a >>> 0, b >>> 0, c >>> 0, d >>> 0], spare: this.#spare ?? null }
  }
}
