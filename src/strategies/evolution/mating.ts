import type { Rng } from '../../rng.ts'

/**
 * Winners of binary tournaments, without end: members meet in the order of one random permutation after the other, so that all
 * compete equally often. Drawn with replacement instead, a seventh of a population would sit out each generation.
 *
 * @param n members, at least one.
 * @param beats whether the second of two indices below n wins; else the first does.
 */
export function* tournamentWinners(
  n: number,
  beats: (first: number, second: number) => boolean,
  rng: Rng,
): Generator<number, never> {
  const drawn = shuffledIndices(n, rng)
  while (true) {
    const [a, b] = [drawn.next().value, drawn.next().value]
    yield beats(a, b) ? b : a
  }
}

/** 0..n-1 in random order, then again in another, without end. */
function* shuffledIndices(n: number, rng: Rng): Generator<number, never> {
  const indices = Array.from({ length: n }, (_, i) => i)
  while (true) {
    for (let i = 0; i < n; i++) {
      const j = rng.integer(i, n)
      const index = indices[j]!
      indices[j] = indices[i]!
      indices[i] = index
      yield index
    }
  }
}
