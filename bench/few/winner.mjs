// Rules that name the winner of a search, by what the winners are worth: their scalarised loss on `holdout`, or by the truth where it is known.
//
//     npm run build && node bench/few/winner.mjs --seeds 5000:5100 [--strategies random,cma-es,m2n2,nsga2,tpe] [--landscapes 'digits;…'] \
//       [--budget 300] [--results FILE] [--seconds 400]
//
// With --results every search is appended to a file of JSON lines, searches that are in it are not run again, and the table is of all of them.
// --seconds ends the command at the next search after so long.
//
// `digits`: real searches of the digits experts; the examples that no expert was trained on are dealt to search, select and holdout anew for each
// seed. `digits, small search`: search has as many as select usually has, and the other way round. `two skills n + m`: simulated, n examples of each
// objective in search and m in select. All strategies of a seed see the same division. `cma-es, other start` differs from `cma-es` by the strategy's
// seed alone: how far two searches with the same rule are apart.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createParetoArchive } from '../../dist/archive/pareto-archive.js'
import { loadSearchConfig } from '../../dist/config/load.js'
import { createEvaluator } from '../../dist/evaluation/registry.js'
import { createInlineExecutor } from '../../dist/executors/inline.js'
import { inspectSources } from '../../dist/merge/sources.js'
import { createRng } from '../../dist/rng.js'
import { spaceOf } from '../../dist/run-config.js'
import { search } from '../../dist/search.js'
import { strategyDefinition } from '../../dist/strategies/registry.js'
import { dealtDigits } from './lib/dealt-digits.mjs'
import { twoSkills } from './lib/two-skills.mjs'
import { lossOf, RULES } from './lib/winner-rules.mjs'
import { winnerTable } from './lib/winner-table.mjs'
import { memoryRun } from './memory-run.mjs'

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5000:5010' },
    strategies: { type: 'string', default: 'random,cma-es,m2n2,nsga2,tpe' },
    landscapes: { type: 'string', default: 'digits' },
    budget: { type: 'string', default: '300' },
    results: { type: 'string' },
    seconds: { type: 'string', default: 'Infinity' },
  },
})
const SLOTS = 8
/** Members of the front that are scored again, as in `finalize.ts`. */
const FRONT_CAP = 64
const BUDGET = Number(flags.budget)
const FILE = fileURLToPath(new URL('../../search-spaces/digits.yaml', import.meta.url))
const LANDSCAPES = {
  digits: seed => digits(seed),
  'digits, small search': seed => digits(seed, { search: 1 / 5, select: 1 / 3, holdout: 7 / 15 }),
  'two skills 60 + 36': seed => twoSkills(seed, { search: 60, select: 36 }),
  'two skills 200 + 120': seed => twoSkills(seed, { search: 200, select: 120 }),
  'two skills 100 + 200': seed => twoSkills(seed, { search: 100, select: 200 }),
}

async function digits(seed, shares) {
  const config = loadSearchConfig(FILE, {})
  const { evaluator: own, remove } = dealtDigits(config.evaluator, seed, shares)
  const executor = await createInlineExecutor({ sources: config.sources, evaluator: own })
  const space = spaceOf({ resolved: config, tensors: inspectSources(config.sources).weights.map(({ name }) => name) })
  const { objectives } = await createEvaluator(own)
  return {
    objectives,
    space,
    executor,
    truth: async genome => {
      const { values } = await executor.submit({ label: 'holdout', recipe: space.decode(genome), split: 'holdout' })
      return values
    },
    close: async () => {
      await executor.close()
      remove()
    },
  }
}

/** The front of a search, best first as far as it is scored again. */
async function frontOf({ objectives, space, executor }, strategy, seed) {
  const [kind, start = 'strategy'] = strategy.split(', ')
  const definition = strategyDefinition(kind)
  const archive = createParetoArchive(objectives)
  const context = { domain: space, objectives, rng: createRng(seed).split(start), budget: BUDGET, slots: SLOTS }
  await search(
    {
      space,
      objectives,
      strategy: definition.create(context, definition.options.parse({})),
      executor,
      archive,
      run: memoryRun(objectives),
      budget: BUDGET,
      slots: SLOTS,
      pending: [],
    },
    new AbortController().signal,
  )
  const loss = ({ evaluation }) => lossOf(objectives, evaluation.values)
  return [...archive]
    .sort((a, b) => loss(a) - loss(b) || a.id - b.id)
    .slice(0, FRONT_CAP)
    .sort((a, b) => a.id - b.id)
}

async function measured(name, strategy, seed) {
  const landscape = await LANDSCAPES[name](seed)
  const { objectives, space, executor, truth } = landscape
  const trials = await frontOf(landscape, strategy, seed)
  const front = []
  for (const { genome, evaluation } of trials) {
    const select = await executor.submit({ label: 'select', recipe: space.decode(genome), split: 'select' })
    front.push({ search: evaluation, select, worth: lossOf(objectives, await truth(genome)) })
  }
  await landscape.close()
  const picks = Object.entries(RULES).map(([rule, pick]) => [rule, front[pick(front, objectives)]])
  const each = property =>
    Object.fromEntries(picks.map(([rule, member]) => [rule, Number(property(member).toFixed(6))]))
  return {
    landscape: name,
    strategy,
    seed,
    budget: BUDGET,
    front: front.length,
    worth: each(({ worth }) => worth),
    best: Number(Math.min(...front.map(({ worth }) => worth)).toFixed(6)),
  }
}

const results = []
if (flags.results !== undefined && existsSync(flags.results))
  for (const line of readFileSync(flags.results, 'utf8').split('\n')) if (line !== '') results.push(JSON.parse(line))
const end = performance.now() + 1000 * Number(flags.seconds)
const [BEGIN, END] = flags.seeds.split(':').map(Number)

async function sweep() {
  for (let seed = BEGIN; seed < END; seed++)
    for (const name of flags.landscapes.split(';'))
      for (const strategy of flags.strategies.split(',').map(kind => kind.replace('+', ', other start'))) {
        const isKnown = ({ landscape, ...r }) => landscape === name && r.strategy === strategy && r.seed === seed
        if (results.some(r => isKnown(r) && r.budget === BUDGET)) continue
        if (performance.now() > end) return
        const result = await measured(name, strategy, seed)
        results.push(result)
        if (flags.results !== undefined) appendFileSync(flags.results, `${JSON.stringify(result)}\n`)
      }
}

await sweep()
for (const name of Object.keys(LANDSCAPES)) {
  const own = results.filter(({ landscape, budget }) => landscape === name && budget === BUDGET)
  if (own.length > 0) winnerTable(name, own)
}
