// CMA-ES on six functions beside pycma and cmaes: evaluations until the loss is <= 1e-8. Protocol: bench/search/README.md
//   node bench/search/cma.mjs [--seeds 0:21] [--dimensions 5,10,20,40] [--problems sphere,…] [--options '{…}' --label NAME] [--fresh]
import { VERSION } from './lib/amalgam.mjs'
import { searchArguments, settingsOf } from './lib/arguments.mjs'
import { Lines } from './lib/lines.mjs'
import { QUADRATICS, quadratic } from './lib/quadratics.mjs'
import { runStrategy } from './lib/run-strategy.mjs'
import { cmaTable } from './lib/tables-cma.mjs'
import { uniforms } from './lib/uniforms.mjs'

const TARGET = 1e-8
const BUDGET = 1_000_000
/** The peers search without bounds. The strategy has some: far out, where none of these runs comes. */
const BOX = 50
const SIGMA0 = 2

const {
  solvers,
  seeds,
  problems = QUADRATICS,
  dimensions = [5, 10, 20, 40],
  fresh,
} = searchArguments({
  strategies: ['cma-es'],
  seeds: '0:21',
})

for (const { kind, options, label } of solvers) {
  const lines = new Lines('cma', label, { fresh })
  const all = { sigma0: SIGMA0 / (2 * BOX), restarts: 'none', ...options }
  for (const d of dimensions) {
    for (const seed of seeds) {
      const initial = uniforms(d, 1000 + seed).map(u => 8 * u - 4)
      for (const problem of problems) {
        const head = { solver: label, version: VERSION, settings: settingsOf(all), problem, d, instance: 0, seed }
        lines.run(head, () => {
          const loss = quadratic(problem, d)
          let best = Number.POSITIVE_INFINITY
          const { evaluations, stop } = runStrategy({
            kind,
            options: all,
            low: Array(d).fill(-BOX),
            high: Array(d).fill(BOX),
            initial,
            losses: x => [loss(x)],
            seed,
            budget: BUDGET,
            onEvaluation: ([value]) => {
              best = Math.min(best, value)
              return value <= TARGET
            },
          })
          return { evaluations, hit: stop === 'target' ? evaluations : null, best: Number(best.toPrecision(6)), stop }
        })
      }
    }
  }
}

console.log(cmaTable())
