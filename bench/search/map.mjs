// MAP beside evolutionary and space-filling search with the same number of real evaluations, on accuracies of merges whose front is known.
//   node bench/search/map.mjs [--strategy map,nsga2,nsga3,sobol] [--seeds 0:10] [--problems smooth,cubic,digits] [--dimensions 2,4,6,8] [--options '{…}' --label NAME] [--fresh]
// Writes bench/results/search/map/*.jsonl and table.md there. Fields beside the common ones: `points` of the measured front, `searchCpu` seconds, `win` rate,
// `gd`, `igd`, `igdPlus` against the truth, `front` (at most 60 points, true values), `predicted`: the same for what the surrogates claimed.
// Each seed of a synthetic problem is another landscape. What counts is the truth at the genomes of the measured front, not what was measured with 500 examples.
import { writeFileSync } from 'node:fs'
import { VERSION } from './lib/amalgam.mjs'
import { searchArguments, settingsOf } from './lib/arguments.mjs'
import { Lines, RESULTS } from './lib/lines.mjs'
import { amortizedFront } from './map-amortized.mjs'
import { digitMerges } from './map-digits.mjs'
import { denseFront, meanDistance, meanShortfall, nonDominated, rangesOf, winRate } from './map-fronts.mjs'
import { landscape } from './map-landscapes.mjs'
import { searchAccuracies } from './map-search.mjs'
import { mapTable } from './map-table.mjs'

/** Real evaluations by number of tasks: four to five per coefficient of a full quadratic. */
const BUDGETS = { 2: 30, 4: 60, 6: 100, 8: 180 }
/** κ of the landscape. `digits`: merges of trained networks, one landscape for all seeds. */
const PROBLEMS = {
  smooth: (tasks, instance) => landscape({ tasks, instance, cubic: 0 }),
  cubic: (tasks, instance) => landscape({ tasks, instance, cubic: 0.6 }),
  digits: tasks => digitMerges(tasks),
}
/** Effort of the direct search for the truth. */
const EFFORT = {
  smooth: d => ({ sample: 2000, directions: 40 * d, steps: 120 }),
  cubic: d => ({ sample: 2000, directions: 40 * d, steps: 120 }),
  digits: d => ({ sample: 500, directions: 12 * d, steps: 50 }),
}

const {
  solvers,
  seeds,
  problems = Object.keys(PROBLEMS),
  dimensions = Object.keys(BUDGETS).map(Number),
  budget: given,
  fresh,
} = searchArguments({ strategies: ['map', 'map-published', 'nsga2', 'nsga3', 'sobol'], seeds: '0:10' })

const lines = solvers.map(({ label }) => new Lines('map', label, { fresh }))
for (const problem of problems) {
  for (const d of dimensions) {
    const budget = given ?? BUDGETS[d]
    let truth
    let truthOf
    for (const seed of seeds) {
      const instance = problem === 'digits' ? 0 : seed
      const known = PROBLEMS[problem](d, instance)
      const reference = () => {
        if (truthOf !== instance) {
          truth = denseFront(known.accuracies, { d, ...EFFORT[problem](d), seed: 7 }).map(point => point.values)
          truthOf = instance
        }
        return { truth, ranges: rangesOf(truth) }
      }
      solvers.forEach(({ kind, options, label }, i) => {
        const head = {
          solver: label,
          version: VERSION,
          settings: settingsOf(options),
          problem,
          d,
          m: d,
          instance,
          seed,
          budget,
        }
        lines[i].run(head, () => {
          const search = { measure: known.measure, d, seed, budget, options }
          if (kind === 'map-published') {
            const cpu = process.cpuUsage()
            const { points, evaluations } = amortizedFront(search)
            const searchCpu = cpuSince(cpu)
            const actual = points.map(point => known.accuracies(point.genome))
            const predicted = points.map(point => point.values)
            const claimed = compare(predicted, reference())
            return {
              evaluations,
              points: points.length,
              searchCpu,
              ...compare(actual, reference()),
              predicted: claimed,
            }
          }
          const cpu = process.cpuUsage()
          const { trials, stop } = searchAccuracies({ kind, ...search })
          const searchCpu = cpuSince(cpu)
          const front = nonDominated(trials)
          const actual = front.map(trial => known.accuracies(trial.genome))
          return { evaluations: trials.length, points: front.length, stop, searchCpu, ...compare(actual, reference()) }
        })
      })
    }
  }
}

/** Processor seconds: the search and its evaluations, not the truth. */
function cpuSince(start) {
  const { user, system } = process.cpuUsage(start)
  return Number(((user + system) / 1e6).toFixed(3))
}

/** Against the truth: win rate, generational distance (front → truth), inverted (truth → front), and the latter by shortfall only. */
function compare(front, { truth, ranges }) {
  const round = v => Number(v.toPrecision(5))
  return {
    win: round(winRate(front, truth)),
    gd: round(meanDistance(front, truth, ranges)),
    igd: round(meanDistance(truth, front, ranges)),
    igdPlus: round(meanShortfall(truth, front, ranges)),
    front: thin(front).map(p => p.map(v => Number(v.toPrecision(3)))),
  }
}

/** At most 60 points, for win rates between solvers. */
function thin(points) {
  const step = Math.max(1, points.length / 60)
  return Array.from({ length: Math.min(60, points.length) }, (_, i) => points[Math.floor(i * step)])
}

const table = mapTable()
writeFileSync(`${RESULTS}map/table.md`, `${table}\n`)
console.log(table)
