// Processor time per ask of one candidate and tell of it, by dimension and number of trials told before. Protocol: bench/search/README.md
//   node bench/search/overhead.mjs [--strategy cma-es,…] [--dimensions 10,100,1000] [--fresh]
import { STRATEGIES, VERSION } from './lib/amalgam.mjs'
import { searchArguments, settingsOf } from './lib/arguments.mjs'
import { Lines } from './lib/lines.mjs'
import { createStrategy } from './lib/run-strategy.mjs'
import { median } from './lib/statistics.mjs'
import { overheadTable } from './lib/tables-overhead.mjs'
import { uniforms } from './lib/uniforms.mjs'

const TELLS = [100, 1000, 5000]
/** They fit a model to all trials: the trials come as those of an earlier run, since asking for each would take hours. */
const SURROGATES = ['bayes', 'forest', 'tpe', 'auto']
const SEVERAL_OBJECTIVES = ['nsga2', 'nsga3', 'sms-emoa', 'como-cma-es', 'cycle-qd']
/** A cell ends after this much processor time, with at least three pairs of ask and tell. */
const PATIENCE_MS = 10_000
const REPEATS = 50

const {
  solvers,
  dimensions = [10, 100, 1000],
  fresh,
} = searchArguments({
  strategies: Object.keys(STRATEGIES),
  seeds: '0',
})

for (const { kind, options, label } of solvers) {
  const lines = new Lines('overhead', label, { fresh })
  for (const d of kind === 'cma-es' ? [...dimensions, 200] : dimensions) {
    for (const tells of TELLS) {
      const problem = SEVERAL_OBJECTIVES.includes(kind) ? 'two spheres' : 'sphere'
      const head = {
        solver: label,
        version: VERSION,
        settings: settingsOf(options),
        problem,
        d,
        instance: 0,
        seed: 0,
        tells,
      }
      lines.run(head, () => measure(kind, options, d, tells))
    }
  }
}

console.log(overheadTable())

function measure(kind, options, d, tells) {
  const m = SEVERAL_OBJECTIVES.includes(kind) ? 2 : 1
  const losses = x => Array.from({ length: m }, (_, k) => x.reduce((sum, v) => sum + (v - 0.3 - 0.4 * k) ** 2, 0))
  const asPrior = SURROGATES.includes(kind)
  const trial = (id, genome, memo = null, parents = []) => ({ id, genome, parents, memo, losses: losses(genome) })
  const prior = Array.from({ length: asPrior ? tells : 0 }, (_, i) => trial(i, uniforms(d, 100 + i)))
  let strategy
  try {
    strategy = createStrategy({
      kind,
      options,
      low: Array(d).fill(0),
      high: Array(d).fill(1),
      initial: uniforms(d, 1),
      reference: Array(m).fill(d),
      seed: 1,
      budget: 2 * tells,
      prior,
    })
  } catch (error) {
    return { milliseconds: null, reason: error.message }
  }
  let id = 0
  const step = () => {
    const [proposal] = strategy.ask(1)
    if (proposal === undefined) return false
    strategy.tell([trial(id, proposal.genome, proposal.memo ?? null, proposal.parents ?? [])])
    id++
    return true
  }
  const elapsed = () => process.cpuUsage().user / 1000
  const begun = elapsed()
  // A surrogate's first proposals are its initial design, if the prior does not count as one.
  for (const warmUp = asPrior ? 1 : tells; id < warmUp; ) {
    if (!step()) return { milliseconds: null, reason: `no proposal after ${id}` }
    if (elapsed() - begun > 6 * PATIENCE_MS) return { milliseconds: null, reason: `only ${id} tells in a minute` }
  }
  const times = []
  const start = elapsed()
  while (times.length < REPEATS && (times.length < 3 || elapsed() - start < PATIENCE_MS)) {
    const before = process.cpuUsage()
    if (!step()) break
    const { user, system } = process.cpuUsage(before)
    times.push((user + system) / 1000)
  }
  // The mean belongs to a strategy that works once per generation, the median to one that works at every ask.
  const mean = times.reduce((sum, t) => sum + t, 0) / times.length
  return {
    milliseconds: Number(mean.toPrecision(3)),
    median: Number(median(times).toPrecision(3)),
    most: Number(Math.max(...times).toPrecision(3)),
    repeats: times.length,
    prior: asPrior,
  }
}
