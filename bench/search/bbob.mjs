// CMA-ES on the 24 noiseless BBOB functions beside pycma with BIPOP restarts. Protocol: bench/search/README.md
//   node bench/search/bbob.mjs [--dimensions 5,10,20] [--seeds 1:16 (instances)] [--problems f1,…] [--options '{…}' --label NAME] [--fresh]
import { VERSION } from './lib/amalgam.mjs'
import { searchArguments, settingsOf } from './lib/arguments.mjs'
import { bbob } from './lib/bbob.mjs'
import { Lines } from './lib/lines.mjs'
import { runStrategy } from './lib/run-strategy.mjs'
import { bbobTable } from './lib/tables-bbob.mjs'
import { uniforms } from './lib/uniforms.mjs'

const TARGETS = Array.from({ length: 51 }, (_, i) => 10 ** (2 - 0.2 * i))
const EVALUATIONS_PER_DIMENSION = 10_000
/** The peers' step size, 2, as a share of the box. */
const SIGMA0 = 0.2

const {
  solvers,
  seeds: instances,
  problems = Array.from({ length: 24 }, (_, i) => `f${i + 1}`),
  dimensions = [5, 10, 20],
  fresh,
} = searchArguments({ strategies: ['cma-es'], seeds: '1:16' })

for (const { kind, options, label } of solvers) {
  const lines = new Lines('bbob', label, { fresh })
  const all = { ...(kind === 'cma-es' && { sigma0: SIGMA0 }), ...options }
  for (const instance of instances) {
    for (const d of dimensions) {
      for (const problem of problems) {
        const f = Number(problem.slice(1))
        const seed = 100 * instance + f
        const budget = EVALUATIONS_PER_DIMENSION * d
        const head = {
          solver: label,
          version: VERSION,
          settings: settingsOf(all),
          problem,
          d,
          instance,
          seed,
          budget,
        }
        lines.run(head, () => {
          const { loss, minimum } = bbob(f, instance, d)
          const hits = []
          let best = Number.POSITIVE_INFINITY
          const { evaluations } = runStrategy({
            kind,
            options: all,
            low: Array(d).fill(-5),
            high: Array(d).fill(5),
            initial: uniforms(d, 2000 + seed).map(u => 8 * u - 4),
            losses: x => [loss(x)],
            seed,
            budget,
            onEvaluation: ([value], evaluation) => {
              best = Math.min(best, value - minimum)
              while (hits.length < TARGETS.length && best <= TARGETS[hits.length]) hits.push(evaluation)
              return hits.length === TARGETS.length
            },
          })
          const missed = Array(TARGETS.length - hits.length).fill(null)
          return { evaluations, best: Number(best.toPrecision(6)), hits: [...hits, ...missed] }
        })
      }
    }
  }
}

console.log(bbobTable())
