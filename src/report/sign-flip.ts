import type { Rng } from '../rng.ts'

/**
 * Randomisation test of paired differences (R. A. Fisher, "The Design of Experiments", 1935, §21; E. J. G. Pitman, 1937).
 *
 * Under "neither model is better" each example's difference d could as well have been −d. T = Σ d is compared with all 2ⁿ choices of signs:
 * p = P(|Σ ±d| ≥ |T|). Exact for any distribution and any number of examples; no normality, no large sample. On 0/1 scores of one
 * task it *is* McNemar's exact test (Q. McNemar, Psychometrika 12, 1947).
 *
 * Equal |d| are counted together, so the choices number Π (n_g + 1), not 2ⁿ. They are enumerated by meeting in the middle: the groups are
 * split into two halves A and B, and p = 2 Σ_b P(B = b) P(A ≥ T − b), both halves being symmetric about 0. Beyond the limit, signs are
 * drawn at random and p = (hits + 1) / (draws + 1), which is valid, not merely approximate (B. Phipson, G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 9, 2010).
 */
export interface SignFlipResult {
  readonly p: number // two-sided, in (0, 1]
  readonly method: 'exact' | 'sampled'
}

/** Outcomes enumerated per half: 2¹⁸ sums are sorted in 0.1 s. */
const HALF_LIMIT = 2 ** 18
const DRAWS = 9_999
/** Sums that differ by less than this share of Σ|d| are ties: they differ by rounding. */
const TIE = 1e-12

/** @param differences shape (e,), finite. @param rng used only when there are too many outcomes to enumerate. */
export function signFlipTest(differences: ArrayLike<number>, rng: Rng): SignFlipResult {
  const discordant = Float64Array.from(differences).filter(d => d !== 0)
  const groups = new Map<number, number>() // |d| → how many
  let observed = 0
  let magnitude = 0
  for (const d of discordant) {
    observed += d
    magnitude += Math.abs(d)
    groups.set(Math.abs(d), (groups.get(Math.abs(d)) ?? 0) + 1)
  }
  const tie = TIE * magnitude
  const bar = Math.abs(observed) - tie
  if (bar <= 0) return { p: 1, method: 'exact' }
  const halves = split([...groups])
  if (halves === undefined) return { p: sampledP(discordant, bar, rng), method: 'sampled' }
  return { p: exactP(enumerate(halves[0]), enumerate(halves[1]), bar), method: 'exact' }
}

type Group = readonly [size: number, count: number]

/** Two halves of at most HALF_LIMIT outcomes each: largest group first, always into the smaller half. */
function split(groups: readonly Group[]): [Group[], Group[]] | undefined {
  // Even if perfectly balanced it would not fit: spare the sorting.
  if (groups.length > 2 * Math.log2(HALF_LIMIT)) return undefined
  const halves: [Group[], Group[]] = [[], []]
  const outcomes: [number, number] = [1, 1]
  for (const group of [...groups].sort((a, b) => b[1] - a[1] || b[0] - a[0])) {
    const smaller = outcomes[0] <= outcomes[1] ? 0 : 1
    halves[smaller].push(group)
    outcomes[smaller] *= group[1] + 1
    if (outcomes[smaller] > HALF_LIMIT) return undefined
  }
  return halves
}

interface Distribution {
  readonly sums: Float64Array
  readonly probabilities: Float64Array
}

/** Distribution of Σ_g |d_g| (2 B_g − n_g), B_g ~ Binomial(n_g, ½). */
function enumerate(groups: readonly Group[]): Distribution {
  let sums = Float64Array.of(0)
  let probabilities = Float64Array.of(1)
  for (const [size, count] of groups) {
    const binomial = fairBinomial(count)
    const nextSums = new Float64Array(sums.length * (count + 1))
    const nextProbabilities = new Float64Array(nextSums.length)
    let at = 0
    for (let b = 0; b <= count; b++) {
      for (let i = 0; i < sums.length; i++, at++) {
        nextSums[at] = sums[i]! + size * (2 * b - count)
        nextProbabilities[at] = probabilities[i]! * binomial[b]!
      }
    }
    sums = nextSums
    probabilities = nextProbabilities
  }
  return { sums, probabilities }
}

/** P(B = 0..n) for B ~ Binomial(n, ½), by ratios outwards from the mode: no factorials, full relative precision in the tails. */
export function fairBinomial(n: number): Float64Array {
  const weights = new Float64Array(n + 1)
  const mode = Math.floor(n / 2)
  weights[mode] = 1
  for (let b = mode; b < n; b++) weights[b + 1] = (weights[b]! * (n - b)) / (b + 1)
  for (let b = mode; b > 0; b--) weights[b - 1] = (weights[b]! * b) / (n - b + 1)
  let total = 0
  for (const weight of weights) total += weight
  return weights.map(weight => weight / total)
}

function exactP(a: Distribution, b: Distribution, bar: number): number {
  const sorted = Uint32Array.from(a.sums.keys()).sort((i, j) => a.sums[i]! - a.sums[j]!) // indices of `a` by ascending sum
  // tail[k] = P(A is the k-th smallest sum or larger), summed from the top: small terms first.
  const tail = new Float64Array(sorted.length + 1)
  for (let k = sorted.length - 1; k >= 0; k--) tail[k] = tail[k + 1]! + a.probabilities[sorted[k]!]!
  let p = 0
  for (let i = 0; i < b.sums.length; i++) {
    const need = bar - b.sums[i]!
    let low = 0
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (a.sums[sorted[middle]!]! < need) low = middle + 1
      else high = middle
    }
    p += b.probabilities[i]! * tail[low]!
  }
  return Math.min(1, 2 * p)
}

/** Sums of blocks of eight are tabled for all 256 sign patterns: a draw costs e/8 look-ups. */
function sampledP(differences: Float64Array, bar: number, rng: Rng): number {
  const blocks = Math.ceil(differences.length / 8)
  const table = new Float64Array(blocks * 256)
  for (let block = 0; block < blocks; block++) {
    for (let signs = 0; signs < 256; signs++) {
      let sum = 0
      for (let i = 0; i < 8; i++) {
        const d = differences[8 * block + i] ?? 0
        sum += (signs >>> i) & 1 ? d : -d
      }
      table[256 * block + signs] = sum
    }
  }
  let hits = 0
  for (let draw = 0; draw < DRAWS; draw++) {
    let sum = 0
    let bits = 0
    for (let block = 0; block < blocks; block++) {
      bits = block % 4 === 0 ? rng.integer(0, 2 ** 32) : bits >>> 8
      sum += table[256 * block + (bits & 255)]!
    }
    if (Math.abs(sum) >= bar) hits++
  }
  return (hits + 1) / (DRAWS + 1)
}
