// On merges: every strategy searches the digits experts with the same budgets. What is missing is run; `merges-table.mjs` prints and plots.
//   node bench/search/merges.mjs [--strategy a,b] [--problems digits-15,…] [--seeds 0:10] [--budgets 50,100,300] [--seconds 240]
// --seconds ends the command at the next run after so long; call it again to go on.
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { STRATEGIES, VERSION } from './lib/amalgam.mjs'
import { range } from './lib/arguments.mjs'
import { RESULTS } from './lib/lines.mjs'
import { LANDSCAPES, openLandscape } from './lib/merge-landscape.mjs'
import { searchMerges } from './lib/merge-search.mjs'

const SLOTS = 8

const { values: flags } = parseArgs({
  options: {
    strategy: { type: 'string', default: Object.keys(STRATEGIES).join(',') },
    options: { type: 'string', default: '{}' },
    label: { type: 'string' },
    problems: { type: 'string', default: Object.keys(LANDSCAPES).join(',') },
    seeds: { type: 'string', default: '0:10' },
    budgets: { type: 'string', default: '50,100,300' },
    seconds: { type: 'string', default: 'Infinity' },
  },
})
const BUDGETS = flags.budgets.split(',').map(Number)
const end = performance.now() + 1000 * Number(flags.seconds)
const folder = `${RESULTS}merges/`
mkdirSync(folder, { recursive: true })
const pathOf = kind => `${folder}${flags.label ?? kind}.jsonl`
const keyOf = ({ problem, seed, budget }) => `${problem} ${seed} ${budget}`
const done = kind => {
  if (!existsSync(pathOf(kind))) return new Set()
  const lines = readFileSync(pathOf(kind), 'utf8').split('\n')
  return new Set(lines.filter(line => line !== '').map(line => keyOf(JSON.parse(line))))
}

/** Seeds outermost, so that what is there after any time covers all strategies. */
async function sweep() {
  for (const seed of range(flags.seeds)) {
    for (const problem of flags.problems.split(',')) {
      const landscape = await openLandscape(problem)
      try {
        for (const kind of flags.strategy.split(',')) {
          if (!(await runs(kind, landscape, problem, seed))) return
          landscape.forget()
        }
      } finally {
        await landscape.close()
      }
    }
  }
}

/** Largest budget first: a strategy that does not plan by it has been at the smaller ones on its way. @returns false when the time is up */
async function runs(kind, landscape, problem, seed) {
  const known = done(kind)
  for (const budget of BUDGETS.toReversed()) {
    if (known.has(keyOf({ problem, seed, budget }))) continue
    if (performance.now() > end) return false
    const start = performance.now()
    try {
      const milestones = BUDGETS.filter(b => b <= budget)
      const options = JSON.parse(flags.options)
      const found = await searchMerges({ kind, options, landscape, seed, budget, slots: SLOTS, milestones })
      const seconds = Number(((performance.now() - start) / 1000).toFixed(2))
      const { usesBudget, at, askMs, ...rest } = found
      for (const milestone of usesBudget ? [budget] : milestones) {
        if (known.has(keyOf({ problem, seed, budget: milestone }))) continue
        const head = {
          solver: flags.label ?? kind,
          version: VERSION,
          options,
          problem,
          d: landscape.space.genes.length,
        }
        const line = { ...head, m: landscape.objectives.length, seed, budget: milestone, ...at[milestone], ...rest }
        known.add(keyOf(line))
        appendFileSync(pathOf(kind), `${JSON.stringify({ ...line, seconds, askMs })}\n`)
      }
      console.log(
        `${problem} ${kind} seed ${seed} budget ${budget}: worst ${at[budget].worst} mean ${at[budget].mean} hv ${at[budget].hypervolume} ${seconds} s, ${askMs} ms in the strategy ${found.decisions.join('; ')}`,
      )
    } catch (error) {
      // A strategy that does not take this space says so; one that breaks must not keep the others from being run.
      if (error?.name !== 'ConfigError') process.exitCode = 1
      console.log(
        `${problem} ${kind} seed ${seed} budget ${budget}: ${error?.name === 'ConfigError' ? error.message : error?.stack}`,
      )
      return true
    }
  }
  return true
}

await sweep()
