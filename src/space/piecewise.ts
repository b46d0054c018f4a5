import type { Domain, Genome, PieceGeometry } from '../candidate.ts'

/** A piecewise combination of sources, canonical: no piece is empty, no two neighbours have equal weights. */
export interface Piecewise {
  /** End of each piece, in cells, ascending; the last is G. Shape (n,). */
  readonly ends: readonly number[]
  /** Weights of each piece, shape (n, S). */
  readonly weights: readonly (readonly number[])[]
}

export function readPieces(genome: Genome, { sources: S, max: N, cells: G }: PieceGeometry): Piecewise {
  const ends = [...genome.subarray(0, N - 1)].map(share => Math.round(share * G)).sort((a, b) => a - b)
  const weights = Array.from({ length: N }, (_, k) => [...genome.subarray(N - 1 + k * S, N - 1 + (k + 1) * S)])
  return canonical([...ends, G], weights)
}

/** Inverse of {@link readPieces}: the places left over hold empty pieces at the end. Weights are cut at their bounds. */
export function writePieces(
  pieces: Piecewise,
  domain: Domain,
  { sources: S, max: N, cells: G }: PieceGeometry,
): Genome {
  const { ends, weights } = fuse(pieces, N)
  const genome = new Float64Array(domain.genes.length)
  for (let k = 0; k < N; k++) {
    if (k < N - 1) genome[k] = (ends[k] ?? G) / G
    const row = weights[k] ?? weights[weights.length - 1]!
    for (let s = 0; s < S; s++) {
      const at = N - 1 + k * S + s
      const gene = domain.genes[at]!
      genome[at] = gene.kind === 'real' ? Math.min(gene.high, Math.max(gene.low, row[s]!)) : row[s]!
    }
  }
  return genome
}

/** (p x + q y) with [p, q] `before` the split cell and `after` it. */
export function combine(
  x: Piecewise,
  y: Piecewise,
  split: number,
  before: readonly [number, number],
  after: readonly [number, number],
): Piecewise {
  const ends: number[] = []
  const weights: number[][] = []
  for (const { begin, end, a, b } of overlaps(x, y, split)) {
    const [p, q] = begin < split ? before : after
    ends.push(end)
    weights.push(a.map((w, s) => p * w + q * b[s]!))
  }
  return canonical(ends, weights)
}

/** ⟨x, y⟩ of the combined models: Σ over cells of xᵀ (Gram matrix of the cell) y. */
export function innerProduct(x: Piecewise, y: Piecewise, { sources: S, gram }: PieceGeometry): number {
  let sum = 0
  for (const { begin, end, a, b } of overlaps(x, y, 0)) {
    for (let i = 0; i < S; i++) {
      for (let j = 0; j < S; j++) {
        const at = i * S + j
        sum += a[i]! * b[j]! * (gram[end * S * S + at]! - gram[begin * S * S + at]!)
      }
    }
  }
  return sum
}

/** The pieces of both, cut at the ends of either and at `cut`. */
function* overlaps(x: Piecewise, y: Piecewise, cut: number) {
  for (let i = 0, j = 0, begin = 0; i < x.ends.length && j < y.ends.length; ) {
    let end = Math.min(x.ends[i]!, y.ends[j]!)
    if (cut > begin && cut < end) end = cut
    yield { begin, end, a: x.weights[i]!, b: y.weights[j]! }
    begin = end
    if (x.ends[i] === end) i++
    if (y.ends[j] === end) j++
  }
}

/**
 * No more than `limit` pieces: as long as there are more, the two neighbours fuse that lose least, l₁ l₂ / (l₁ + l₂) · ‖w₁ − w₂‖² with lengths l and
 * weights w, into their mean by length (Ward's criterion, along a line).
 */
export function fuse({ ends, weights }: Piecewise, limit: number): Piecewise {
  if (ends.length <= limit) return { ends, weights }
  const left = ends.map((end, k) => ({ end, length: end - (ends[k - 1] ?? 0), w: weights[k]! }))
  while (left.length > limit) {
    let best = 0
    let least = Number.POSITIVE_INFINITY
    for (let k = 0; k + 1 < left.length; k++) {
      const [a, b] = [left[k]!, left[k + 1]!]
      const loss =
        ((a.length * b.length) / (a.length + b.length)) * a.w.reduce((sum, v, s) => sum + (v - b.w[s]!) ** 2, 0)
      if (loss < least) [best, least] = [k, loss]
    }
    const [a, b] = [left[best]!, left[best + 1]!]
    const length = a.length + b.length
    const w = a.w.map((v, s) => (a.length * v + b.length * b.w[s]!) / length)
    left.splice(best, 2, { end: b.end, length, w })
  }
  return { ends: left.map(({ end }) => end), weights: left.map(({ w }) => w) }
}

export function canonical(ends: readonly number[], weights: readonly (readonly number[])[]): Piecewise {
  const kept: { end: number; w: readonly number[] }[] = []
  for (const [k, end] of ends.entries()) {
    const last = kept[kept.length - 1]
    const w = weights[k]!
    if (end === (last?.end ?? 0)) continue
    if (last?.w.every((v, s) => v === w[s])) last.end = end
    else kept.push({ end, w })
  }
  return { ends: kept.map(({ end }) => end), weights: kept.map(({ w }) => w) }
}
