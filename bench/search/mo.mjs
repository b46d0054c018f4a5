// Evolutionary strategies on ZDT, DTLZ and WFG beside pymoo. Protocol: bench/search/README.md
//   node bench/search/mo.mjs [--strategy nsga2,nsga3,sms-emoa] [--seeds 0:5] [--problems zdt1,…] [--options '{…}' --label NAME] [--fresh]
import { hypervolume, STRATEGIES, VERSION } from './lib/amalgam.mjs'
import { searchArguments, settingsOf } from './lib/arguments.mjs'
import { Lines } from './lib/lines.mjs'
import { MO_PROBLEMS } from './lib/mo-problems.mjs'
import { runStrategy } from './lib/run-strategy.mjs'
import { moTable } from './lib/tables-mo.mjs'
import { uniforms } from './lib/uniforms.mjs'

const CHECKPOINTS = [5_000, 10_000, 25_000]
const USUAL = ['nsga2', 'nsga3', 'sms-emoa']

const {
  solvers,
  seeds,
  problems = Object.keys(MO_PROBLEMS),
  budget = CHECKPOINTS.at(-1),
  fresh,
} = searchArguments({ strategies: USUAL.filter(kind => kind in STRATEGIES), seeds: '0:5' })

const lines = solvers.map(({ label }) => new Lines('mo', label, { fresh }))
for (const seed of seeds) {
  solvers.forEach(({ kind, options, label }, i) => {
    for (const problem of problems) {
      const { m, low, high, reference, losses } = MO_PROBLEMS[problem]
      const d = low.length
      const head = {
        solver: label,
        version: VERSION,
        settings: settingsOf(options),
        problem,
        d,
        m,
        instance: 0,
        seed,
        budget,
      }
      lines[i].run(head, () => {
        const points = []
        const { evaluations } = runStrategy({
          kind,
          options,
          low,
          high,
          initial: uniforms(d, 4000 + seed).map((u, k) => low[k] + u * (high[k] - low[k])),
          losses,
          reference,
          seed,
          budget,
          onEvaluation: found => {
            points.push(found)
          },
        })
        const volume = n => Number(hypervolume(points.slice(0, n), reference).toPrecision(8))
        return { evaluations, hv: Object.fromEntries(CHECKPOINTS.filter(n => n <= budget).map(n => [n, volume(n)])) }
      })
    }
  })
}

console.log(moTable())
