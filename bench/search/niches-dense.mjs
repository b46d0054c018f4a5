// Evolution of whole weight vectors in memory, as in the natural-niches experiment, driven by the project's own competition, choice of
// parents and interpolation. Strategies search recipes; this is for evolution from scratch, where every child has noise of its own.
import { createRng } from '../../dist/rng.js'
import { fitness, shareExamples, weakest } from '../../dist/strategies/niches/competition.js'
import { chooseParents, roulette } from '../../dist/strategies/niches/parents.js'
import { angle, slerpFactors } from '../../dist/strategies/niches/slerp.js'
import { mean, PARAMETERS } from './niches-digits.mjs'
import { createNoise } from './niches-noise.mjs'

export const ARCHIVE = 20
const MUTATION = 0.01

/** What is left out of the full method. */
export const VARIANTS = {
  m2n2: {},
  'm2n2 without crossover': { crossover: false },
  'm2n2 without split point': { splitPoint: false },
  'm2n2 without attraction': { attraction: false },
  ga: { alpha: 0, attraction: false },
}

const dot = (x, y) => {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i]
  return sum
}

/** A vector of weights with its scores and its squared length. */
const member = (weights, scores) => ({ weights, scores, accuracy: mean(scores), length2: dot(weights, weights) })

/** SLERP by t before a split point of the flat vector, by 1 - t after it. */
function cross(target, a, b, rng, splitPoint) {
  const omega = angle(a.length2, dot(a.weights, b.weights), b.length2)
  const split = splitPoint ? rng.integer(0, PARAMETERS) : PARAMETERS
  const t = rng.uniform()
  const blend = (from, to, [p, q]) => {
    for (let i = from; i < to; i++) target[i] = p * a.weights[i] + q * b.weights[i]
  }
  blend(0, split, slerpFactors(t, omega))
  blend(split, PARAMETERS, slerpFactors(1 - t, omega))
}

/** Test accuracy of the member with the best training accuracy, worked out when it changes, at every hundredth of the passes. */
export class Curve {
  at = []
  train = []
  test = []
  #passes
  #score
  #known
  #accuracy

  constructor(passes, scoreTest) {
    this.#passes = passes
    this.#score = scoreTest
  }

  async note(done, best) {
    if (this.#known !== best) this.#accuracy = mean(await this.#score(best.weights))
    this.#known = best
    if ((done * 100) % this.#passes !== 0) return
    this.at.push(done)
    this.train.push(best.accuracy)
    this.test.push(this.#accuracy)
  }
}

/** The better of two; of equals the first. */
const better = (a, b) => (b.accuracy > a.accuracy ? b : a)

/**
 * @param start the first members' weights
 * @param scores {train, test}: flat vector -> right or wrong per image
 */
export async function runNiches(start, scores, { passes, seed, mutate, ...variant }) {
  const { alpha = 1, attraction = true, crossover = true, splitPoint = true } = variant
  const competition = { alpha, subtractWorst: false }
  const rng = createRng(seed)
  const noise = createNoise(rng.split('noise'))
  const archive = []
  const curve = new Curve(passes, scores.test)
  const spare = []
  const insert = newcomer => {
    archive.push(newcomer)
    if (archive.length <= ARCHIVE) return
    const rows = archive.map(({ scores: row }) => row)
    const out = weakest(fitness(rows, shareExamples(rows, competition)))
    const last = archive.pop()
    spare.push((archive[out] ?? last).weights)
    if (out < ARCHIVE) archive[out] = last
  }
  for (const weights of start) insert(member(weights, await scores.train(weights)))
  for (let pass = 1; pass <= passes; pass++) {
    const rows = archive.map(({ scores: row }) => row)
    const [a, b] = chooseParents(rows, shareExamples(rows, competition), attraction, rng).map(i => archive[i])
    const child = spare.pop() ?? new Float32Array(PARAMETERS)
    if (crossover) cross(child, a, b, rng, splitPoint)
    else child.set(a.weights)
    if (mutate) noise(child, MUTATION)
    insert(member(child, await scores.train(child)))
    await curve.note(pass, archive.reduce(better))
  }
  return curve
}

/** MAP-Elites as the authors compare with: a grid of 10 x 10 cells over the accuracy on odd and on even digits, parents by accuracy. */
export async function runMapElites(start, scores, labels, { passes, seed, mutate }) {
  const rng = createRng(seed)
  const noise = createNoise(rng.split('noise'))
  const cells = new Map()
  const curve = new Curve(passes, scores.test)
  const cellOf = row => {
    const of = odd => {
      const chosen = row.filter((_, i) => labels[i] % 2 === odd)
      return Math.min(9, Math.floor(10 * mean(chosen))) // a perfect half has a cell, too
    }
    return 10 * of(1) + of(0)
  }
  const insert = newcomer => {
    const cell = cellOf(newcomer.scores)
    const elite = cells.get(cell)
    if (elite === undefined || newcomer.accuracy > elite.accuracy) cells.set(cell, newcomer)
  }
  for (const weights of start) insert(member(weights, await scores.train(weights)))
  for (let pass = 1; pass <= passes; pass++) {
    const elites = [...cells.values()]
    const odds = elites.map(({ accuracy }) => accuracy)
    const first = roulette(odds, rng)
    odds[first] = 0
    const second = elites.length > 1 ? roulette(odds, rng, first) : first
    const child = new Float32Array(PARAMETERS)
    cross(child, elites[first], elites[second], rng, true)
    if (mutate) noise(child, MUTATION)
    insert(member(child, await scores.train(child)))
    await curve.note(pass, [...cells.values()].reduce(better))
  }
  return curve
}
