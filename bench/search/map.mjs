// MAP beside evolutionary and space-filling search with the same number of real evaluations, on accuracies of merges whose front is known.
//   node bench/search/map.mjs [--strategy map,nsga2,nsga3,sobol] [--seeds 0:10] [--problems smooth,cubic] [--dimensions 2,3,4] [--options '{…}' --label NAME] [--fresh]
// Each seed is another landscape. What counts is the truth at the genomes of the measured front, not what was measured with 500 examples.
import { VERSION } from './lib/amalgam.mjs'
import { searchArguments, settingsOf } from './lib/arguments.mjs'
import { Lines } from './lib/lines.mjs'
import { amortizedFront } from './map-amortized.mjs'
import { denseFront, meanDistance, meanShortfall, nonDominated, rangesOf, winRate } from './map-fronts.mjs'
import { landscape } from './map-landscapes.mjs'
import { searchAccuracies } from './map-search.mjs'
import { mapTable } from './map-table.mjs'

/** Real evaluations by number of tasks: about three per coefficient of a full quadratic, five at the ends. */
const BUDGETS = { 2: 30, 3: 40, 4: 60, 5: 80, 6: 100, 8: 180 }
const CUBIC = { smooth: 0, cubic: 0.6 }

const {
  solvers,
  seeds,
  problems = Object.keys(CUBIC),
  dimensions = Object.keys(BUDGETS).map(Number),
  budget: given,
  fresh,
} = searchArguments({ strategies: ['map', 'map-published', 'nsga2', 'nsga3', 'sobol'], seeds: '0:10' })

const lines = solvers.map(({ label }) => new Lines('map', label, { fresh }))
for (const problem of problems) {
  for (const d of dimensions) {
    const budget = given ?? BUDGETS[d]
    for (const seed of seeds) {
      let truth
      const known = landscape({ tasks: d, instance: seed, cubic: CUBIC[problem] })
      solvers.forEach(({ kind, options, label }, i) => {
        const head = {
          solver: label,
          version: VERSION,
          settings: settingsOf(options),
          problem,
          d,
          m: d,
          instance: seed,
          seed,
          budget,
        }
        lines[i].run(head, () => {
          truth ??= denseFront(known.accuracies, { d, sample: 4096, directions: 60 * d, steps: 150, seed: 7 }).map(
            p => p.values,
          )
          const ranges = rangesOf(truth)
          if (kind === 'map-published') {
            const { points, evaluations } = amortizedFront({ measure: known.measure, d, seed, budget, options })
            const predicted = points.map(p => p.values)
            const actual = points.map(p => known.accuracies(p.genome))
            return {
              evaluations,
              points: points.length,
              ...compare(actual, truth, ranges),
              predicted: compare(predicted, truth, ranges),
            }
          }
          const { trials, stop } = searchAccuracies({ kind, options, measure: known.measure, d, seed, budget })
          const front = nonDominated(trials)
          const actual = front.map(trial => known.accuracies(trial.genome))
          return { evaluations: trials.length, points: front.length, stop, ...compare(actual, truth, ranges) }
        })
      })
    }
  }
}

/** Against the truth: win rate, generational distance (front → truth), inverted (truth → front), and the latter by shortfall only. */
function compare(front, truth, ranges) {
  const round = v => Number(v.toPrecision(5))
  return {
    win: round(winRate(front, truth)),
    gd: round(meanDistance(front, truth, ranges)),
    igd: round(meanDistance(truth, front, ranges)),
    igdPlus: round(meanShortfall(truth, front, ranges)),
    front: front.length > 0 ? thin(front).map(p => p.map(round)) : [],
  }
}

/** At most 60 points, for win rates between solvers. */
function thin(points) {
  const step = Math.max(1, points.length / 60)
  return Array.from({ length: Math.min(60, points.length) }, (_, i) => points[Math.floor(i * step)])
}

console.log(mapTable())
