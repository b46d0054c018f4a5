import type { Genome } from '../../candidate.ts'
import type { Rng } from '../../rng.ts'
import type { ForestSpace } from './forest-space.ts'

/** Steps to neighbours of equal value that one local search may take: a forest is flat between its thresholds. */
const PLATEAU_STEPS = 10
/** Steps of one local search at most. */
const STEPS = 100

interface Scored {
  readonly genome: Genome
  readonly value: number
}

/**
 * Where the acquisition is largest: random challengers, then local searches from the best challengers and from the best genomes known, each of
 * `starts` many (F. Hutter, H. Hoos, K. Leyton-Brown, "Sequential model-based optimization for general algorithm configuration",
 * LION 2011, section 4.3). A local search goes to the first better neighbour, or along a plateau for a while.
 *
 * @param known good genomes, best first.
 * @param isSeen genomes that must not be proposed again.
 * @returns `undefined` if all that was looked at had been seen.
 */
export function maximizeAcquisition(
  space: ForestSpace,
  acquisition: (genome: Genome) => number,
  known: readonly Genome[],
  options: { readonly challengers: number; readonly starts: number },
  isSeen: (genome: Genome) => boolean,
  rng: Rng,
): Genome | undefined {
  const score = (genome: Genome): Scored => ({ genome, value: acquisition(genome) })
  const challengers = Array.from({ length: options.challengers }, () => score(space.random(rng)))
  challengers.sort((a, b) => b.value - a.value)
  const starts = [...challengers.slice(0, options.starts), ...known.slice(0, options.starts).map(score)]
  const found = starts.map(start => climb(space, score, start, rng))
  const ranked = [...found, ...challengers.slice(0, options.starts)].sort((a, b) => b.value - a.value)
  return ranked.find(entry => !isSeen(entry.genome))?.genome ?? challengers.find(entry => !isSeen(entry.genome))?.genome
}

function climb(space: ForestSpace, score: (genome: Genome) => Scored, start: Scored, rng: Rng): Scored {
  let at = start
  let plateau = 0
  for (let step = 0; step < STEPS; step++) {
    let level: Scored | undefined
    let better: Scored | undefined
    for (const neighbour of space.neighbours(at.genome, rng)) {
      const scored = score(neighbour)
      if (scored.value > at.value) {
        better = scored
        break
      }
      if (scored.value === at.value) level ??= scored
    }
    if (better !== undefined) at = better
    else if (level !== undefined && plateau < PLATEAU_STEPS) {
      at = level
      plateau++
    } else return at
  }
  return at
}
