// MAP as published: the whole budget is one sample, and the front is what the surrogates predict, unverified.
import { createRng, load } from './lib/amalgam.mjs'
import { nonDominated } from './map-fronts.mjs'
import { searchAccuracies } from './map-search.mjs'

const { fitSurrogate } = await load('strategies/map/surrogate.js')
const { boundingBox, predictedFront } = await load('strategies/map/predicted-front.js')

/** @returns {{ points: { genome: Float64Array, values: number[] }[], evaluations: number }} `values` as predicted */
export function amortizedFront({ measure, d, m = d, seed, budget, options = {}, high = 1 }) {
  const { trials } = searchAccuracies({
    kind: 'map',
    options: { ...options, samples: budget },
    measure,
    d,
    m,
    seed,
    budget,
    high,
  })
  const points = trials.map(trial => trial.genome.map(v => v / high))
  const surrogates = Array.from({ length: m }, (_, k) =>
    fitSurrogate(
      { name: `task${k}`, direction: 'maximize', unit: 'accuracy, 0..1', reference: 0, ideal: 1 },
      {
        points,
        values: Float64Array.from(trials, trial => trial.values[k]),
        examples: new Float64Array(trials.length),
        focus: new Float64Array(trials.length).fill(1),
      },
      { link: 'sigmoid', model: 'full' },
    ),
  )
  const front = predictedFront(surrogates, boundingBox(points), [], point => point, createRng(seed))
  return {
    evaluations: trials.length,
    points: nonDominated(
      front.map(({ point, losses }) => ({ genome: point.map(v => v * high), values: losses.map(v => -v) })),
    ),
  }
}
