// Simulated merges of known truth with two objectives: as in `racing.mjs`, but each of the two skills is an objective of its own.
import { createRng } from '../../../dist/rng.js'

const D = 6
const STEEPNESS = 6
const POPULATION = 1000

const objective = name => ({
  name,
  direction: 'maximize',
  unit: 'accuracy, 0..1',
  reference: 0,
  ideal: 1,
  perExample: { low: 0, high: 1 },
})

const items = (rng, count) =>
  Array.from({ length: count }, () => ({ a: Math.exp(0.3 * rng.normal()), b: rng.normal() }))
const right = ({ a, b }, ability) => 1 / (1 + Math.exp(-a * (ability - b)))
const mean = numbers => numbers.reduce((sum, x) => sum + x, 0) / numbers.length

/** @param {{ search: number, select: number }} sizes examples of each objective */
export function twoSkills(seed, sizes) {
  const rng = createRng(seed).split('two skills')
  const optima = [0, 1].map(() => Float64Array.from({ length: D }, () => 0.3 + 0.4 * rng.uniform()))
  const peak = 1 + 0.5 * rng.normal()
  const banks = Object.fromEntries(
    Object.entries(sizes).map(([split, count]) => [split, [0, 1].map(() => items(rng, count))]),
  )
  const population = items(rng, POPULATION)
  const abilities = genome =>
    optima.map(at => peak - (STEEPNESS * Math.hypot(...at.map((x, k) => x - genome[k]))) / Math.sqrt(D))
  const genes = Array.from({ length: D }, (_, k) => ({
    kind: 'real',
    name: `g${k}`,
    initial: 0.5,
    low: 0,
    high: 1,
    scale: 'linear',
  }))
  return {
    objectives: [objective('first'), objective('second')],
    space: {
      id: 'two-skills',
      genes,
      initial: new Float64Array(D).fill(0.5),
      decode: genome => ({ genome: [...genome] }),
      encode: recipe => Float64Array.from(recipe.genome),
    },
    executor: {
      exampleCount: split => [sizes[split], sizes[split]],
      submit: async ({ recipe: { genome }, split }) => {
        const luck = createRng(seed).split(`${split} of ${genome.join(' ')}`)
        const exampleScores = abilities(genome).map((ability, skill) =>
          Float32Array.from(banks[split][skill], item => (luck.uniform() < right(item, ability) ? 1 : 0)),
        )
        return { status: 'scored', values: exampleScores.map(mean), exampleScores, timing: {} }
      },
    },
    /** What a genome would score on ever more examples. */
    truth: async genome => abilities(genome).map(ability => mean(population.map(item => right(item, ability)))),
    close: async () => {},
  }
}
