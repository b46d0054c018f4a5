/**
 * Random numbers by position: u = hash(seed, model, tensor, flat index) in [0, 1). Independent of the order and the threads in which
 * tensors are merged, equal for every candidate of a search (common random numbers), and nested in the density: what is kept at
 * density 0.3 is kept at 0.5 too.
 */
export interface PositionRandom {
  /** u of the element at `index`, a multiple of 2^-32. */
  at(index: number): number
}

/** Two words that decide all random numbers of a tensor. */
export interface PositionKeys {
  readonly key: number
  readonly second: number
}

/** Key from text: FNV-1a over UTF-16 code units, then mixed. Model and tensor are separated, so that ("a", "bc") is not ("ab", "c"). */
export function positionKeys(seed: number, model: string, tensor: string): PositionKeys {
  let key = 0x811c9dc5
  for (const text of [model, '\u0000', tensor]) {
    for (let i = 0; i < text.length; i++) key = Math.imul(key ^ text.charCodeAt(i), 0x01000193)
  }
  const high = Math.floor(seed / 2 ** 32) | 0
  key = mix(mix(mix(key) ^ (seed | 0)) ^ high)
  return { key, second: mix(key ^ 0x9e3779b9) }
}

export function positionRandom(seed: number, model: string, tensor: string): PositionRandom {
  const { key, second } = positionKeys(seed, model, tensor)
  return {
    at(index) {
      const low = index | 0
      const far = Math.floor(index / 2 ** 32) | 0
      return (mix(mix(low ^ key) + (second ^ far)) >>> 0) * 2 ** -32
    },
  }
}

/** A bijection of 32-bit words that spreads every bit: the finaliser "triple32" of C. Wellons, hash-prospector, 2018. */
function mix(x: number): number {
  let h = x | 0
  h = Math.imul(h ^ (h >>> 17), 0xed5ad4bb)
  h = Math.imul(h ^ (h >>> 11), 0xac4c1b51)
  h = Math.imul(h ^ (h >>> 15), 0x31848bab)
  return h ^ (h >>> 14)
}
