import type { Rng } from '../../rng.ts'
import { attraction, fitness, type ScoreRows, type Worth } from './competition.ts'

/**
 * Two different members of a population of K, chosen by what they get of the examples: A by roulette on fitness; B by roulette on
 * attraction to A, or, without attraction, on fitness among the others.
 *
 * The authors' program divides by a sum of zero where A has all that anyone has, or nobody solves anything; here the choice then falls back on
 * fitness among the others, and on equal chances. Where it draws mates by fitness it may draw A twice; here it does not.
 *
 * @param rows at least two
 * @param worth see `shareExamples`
 */
export function chooseParents(
  rows: ScoreRows,
  worth: Worth,
  byAttraction: boolean,
  rng: Rng,
): readonly [A: number, B: number] {
  const f = fitness(rows, worth)
  const A = roulette(f, rng)
  if (byAttraction) {
    const g = attraction(rows, worth, A)
    if (g.some(value => value > 0)) return [A, roulette(g, rng)]
  }
  f[A] = 0
  return [A, roulette(f, rng, A)]
}

/**
 * A position with a probability in proportion to its weight. Where all weights are zero every position is as likely.
 * @param weights not negative
 * @param excluded a position of weight zero that is not to be chosen even then
 */
export function roulette(weights: ArrayLike<number>, rng: Rng, excluded?: number): number {
  let total = 0
  for (let i = 0; i < weights.length; i++) total += weights[i]!
  if (total > 0) {
    let rest = rng.uniform() * total
    let last = 0
    for (let i = 0; i < weights.length; i++) {
      if (weights[i]! === 0) continue
      last = i
      rest -= weights[i]!
      if (rest < 0) return i
    }
    return last // rounding
  }
  if (excluded === undefined) return rng.integer(0, weights.length)
  const position = rng.integer(0, weights.length - 1)
  return position < excluded ? position : position + 1
}
