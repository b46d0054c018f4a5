// CMA-ES on the weights themselves, as the authors compare with: from one network of noise, steps of 0.01, populations of 20. Theirs learns the full
// covariance of 19,210 weights, which takes 3 GB; this is the project's strategy as it is, which learns the diagonal of so many.
import { createStrategy } from './lib/run-strategy.mjs'
import { Curve } from './niches-dense.mjs'
import { mean } from './niches-digits.mjs'

const POPULATION = 20
const STEP = 0.01
/** Bounds of each weight, far from where any gets. */
const BOUND = 5

/** @param start the first network's weights @param scores {train, test}: flat vector -> right or wrong per image */
export async function runCmaEs(start, scores, { passes, seed }) {
  const strategy = createStrategy({
    kind: 'cma-es',
    options: { sigma0: STEP / (2 * BOUND), population_size: POPULATION },
    low: Float64Array.from(start, () => -BOUND),
    high: Float64Array.from(start, () => BOUND),
    initial: start,
    seed,
    budget: passes,
  })
  const curve = new Curve(passes, scores.test)
  let best = { weights: start, accuracy: 0 }
  for (let pass = 1; pass <= passes; pass++) {
    const [{ genome, parents = [], memo = null }] = strategy.ask(1)
    const weights = Float32Array.from(genome)
    const accuracy = mean(await scores.train(weights))
    if (accuracy > best.accuracy) best = { weights, accuracy }
    strategy.tell([{ id: pass - 1, genome, parents, memo, losses: [-accuracy] }])
    await curve.note(pass, best)
  }
  return curve
}
