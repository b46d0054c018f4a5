// Surrogate strategies on ten problems beside BoTorch, Optuna and SMAC. Protocol: bench/search/README.md
//   node bench/search/bo.mjs [--strategy bayes,tpe,forest,…] [--seeds 0:5] [--problems branin,…] [--budget 200] [--options '{…}' --label NAME] [--fresh]
import { STRATEGIES, VERSION } from './lib/amalgam.mjs'
import { searchArguments, settingsOf } from './lib/arguments.mjs'
import { BO_PROBLEMS } from './lib/bo-problems.mjs'
import { Lines } from './lib/lines.mjs'
import { runStrategy } from './lib/run-strategy.mjs'
import { boTable } from './lib/tables-bo.mjs'
import { uniforms } from './lib/uniforms.mjs'

const BUDGET = 200
const CHECKPOINTS = [50, 100, 200]
/** The start is drawn at random here and says nothing, so first candidates are scattered over the whole box, as the peers scatter theirs. */
const SPREAD = { initial_spread: 1 }
const SCATTERING = ['bayes', 'forest']
const USUAL = ['bayes', 'forest', 'tpe', 'cma-es', 'sobol', 'random']

const {
  solvers,
  seeds,
  problems = Object.keys(BO_PROBLEMS),
  budget = BUDGET,
  fresh,
} = searchArguments({ strategies: USUAL.filter(kind => kind in STRATEGIES), seeds: '0:5' })

const lines = solvers.map(({ label }) => new Lines('bo', label, { fresh }))
for (const seed of seeds) {
  solvers.forEach(({ kind, options: given, label }, i) => {
    const options = { ...(SCATTERING.includes(kind) && SPREAD), ...given }
    for (const problem of problems) {
      const { low, high, loss, minimum } = BO_PROBLEMS[problem](seed)
      const d = low.length
      const instance = problem.startsWith('ackley') ? seed : 0
      const head = {
        solver: label,
        version: VERSION,
        settings: settingsOf(options),
        problem,
        d,
        instance,
        seed,
        budget,
      }
      lines[i].run(head, () => {
        const trace = []
        const { evaluations } = runStrategy({
          kind,
          options,
          low,
          high,
          initial: uniforms(d, 3000 + seed).map((u, k) => low[k] + u * (high[k] - low[k])),
          losses: x => [loss(x) - minimum],
          seed,
          budget,
          onEvaluation: ([regret], evaluation) => {
            const value = Number(regret.toPrecision(6))
            if (trace.length === 0 || value < trace.at(-1)[1]) trace.push([evaluation, value])
          },
        })
        const at = n => trace.findLast(([evaluation]) => evaluation <= n)[1]
        const best = Object.fromEntries(CHECKPOINTS.filter(n => n <= budget).map(n => [n, at(n)]))
        return { evaluations, best, trace }
      })
    }
  })
}

console.log(boTable())
