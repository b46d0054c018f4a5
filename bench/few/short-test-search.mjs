// Whether a short test, chosen on the first candidates of a search, ranks those that the search asks for later: digits experts, full searches.
//
//     npm run build && node bench/few/short-test-search.mjs [--seeds 0:20] [--strategies random,cma-es] [--budget 300]
//
// Candidates are looked at in groups of 12, about a generation of CMA-ES, as they were asked for: Kendall's tau-b, inside a group, of the scalarised loss
// from n examples of each of the three objectives with that from all. "prefix" are the first n of the stratified order, which races look at; "chosen"
// those of chooseShortTest on the first 16 candidates, values as it predicts them; "chosen anew" those of a test on the 16 candidates before the
// group, which a search could have only by scoring every candidate on everything.
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chooseShortTest } from '../../dist/allocation/short-test.js'
import { createParetoArchive } from '../../dist/archive/pareto-archive.js'
import { loadSearchConfig } from '../../dist/config/load.js'
import { createEvaluator } from '../../dist/evaluation/registry.js'
import { createInlineExecutor } from '../../dist/executors/inline.js'
import { inspectSources } from '../../dist/merge/sources.js'
import { kendallTau } from '../../dist/numerics/kendall-tau.js'
import { toLoss } from '../../dist/objective.js'
import { recordOf } from '../../dist/record-space.js'
import { createRng } from '../../dist/rng.js'
import { scalarizationOf, spaceOf } from '../../dist/run-config.js'
import { scalarize } from '../../dist/scalarization.js'
import { search } from '../../dist/search.js'
import { strategyDefinition } from '../../dist/strategies/registry.js'
import { signedRank } from '../search/lib/statistics.mjs'
import { memoryRun } from './memory-run.mjs'

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string', default: '0:20' },
    strategies: { type: 'string', default: 'random,cma-es' },
    budget: { type: 'string', default: '300' },
  },
})
const [BEGIN, END] = flags.seeds.split(':').map(Number)
const BUDGET = Number(flags.budget)
const KNOWN = 16
const GROUP = 12
const SIZES = [20, 40, 80]
const mean = list => list.reduce((sum, x) => sum + x, 0) / list.length

const config = loadSearchConfig(fileURLToPath(new URL('../../search-spaces/digits.yaml', import.meta.url)))
const space = spaceOf(recordOf(config, inspectSources(config.sources), { weights: true }))
const executor = await createInlineExecutor({ sources: config.sources, evaluator: config.evaluator })
const { objectives } = await createEvaluator(config.evaluator)
const lossOf = values =>
  scalarize(
    scalarizationOf(config),
    values.map((value, i) => toLoss(objectives[i], value)),
    objectives,
  )

/** Scores of each candidate of a full search, in the order in which they were asked for. */
async function fullSearch(kind, seed) {
  const definition = strategyDefinition(kind)
  const rng = createRng(seed).split('strategy')
  const slots = config.slots
  const run = memoryRun(objectives)
  await search(
    {
      space,
      objectives,
      strategy: definition.create(
        { domain: space, objectives, rng, budget: BUDGET, slots },
        definition.options.parse({}),
      ),
      executor,
      archive: createParetoArchive(objectives),
      run,
      budget: BUDGET,
      slots,
      pending: [],
    },
    new AbortController().signal,
  )
  return run.trials().map(({ evaluation }) => evaluation.exampleScores)
}

/** Mean tau of the groups of each phase of a search, by estimate and n. */
function ranked(candidates) {
  const truth = candidates.map(scores => lossOf(scores.map(mean)))
  const taus = {}
  for (const n of SIZES) {
    const testLoss = from => {
      const known = candidates.slice(from, from + KNOWN)
      const tests = objectives.map((_, i) =>
        chooseShortTest(
          known.map(scores => scores[i]),
          n,
        ),
      )
      return scores => lossOf(scores.map((own, i) => tests[i].predict(tests[i].examples.map(j => own[j])).value))
    }
    const first = testLoss(0)
    for (let from = KNOWN; from + GROUP <= candidates.length; from += GROUP) {
      const group = candidates.slice(from, from + GROUP)
      const estimates = {
        prefix: scores => lossOf(scores.map(own => mean(own.subarray(0, n)))),
        chosen: first,
        'chosen anew': testLoss(from - KNOWN),
      }
      for (const [name, estimate] of Object.entries(estimates)) {
        const key = `${n} each, ${name}`
        taus[key] ??= PHASES.map(() => [])
        // All estimates equal: no order.
        taus[key][phaseOf(from)].push(kendallTau(group.map(estimate), truth.slice(from, from + GROUP)) ?? 0)
      }
    }
  }
  return Object.fromEntries(Object.entries(taus).map(([name, phases]) => [name, phases.map(mean)]))
}

const PHASES = ['first third', 'second third', 'last third']
const phaseOf = id => Math.min(2, Math.floor((3 * id) / BUDGET))

console.log(
  `Digits, ${BUDGET} candidates a search, ${executor.exampleCount('search').join(' + ')} examples; tau-b inside groups of ${GROUP}, mean over ${END - BEGIN} searches.`,
)
console.log('p: beside the prefix, Wilcoxon over searches, exact, two-sided.')
for (const kind of flags.strategies.split(',')) {
  const searches = []
  for (let seed = BEGIN; seed < END; seed++) {
    searches.push(ranked(await fullSearch(kind, seed)))
    console.error(`${kind} ${seed}`)
  }
  console.log(`\n${kind.padEnd(24)}${PHASES.map(phase => phase.padStart(20)).join('')}`)
  for (const name of Object.keys(searches[0])) {
    const prefix = name.replace(/, .*/, ', prefix')
    const cells = PHASES.map((_, phase) => {
      const tau = mean(searches.map(found => found[name][phase])).toFixed(3)
      if (name === prefix) return tau.padEnd(16)
      const { p } = signedRank(searches.map(found => found[name][phase] - found[prefix][phase]))
      return `${tau}, p ${p.toExponential(1)}`
    })
    console.log(`${name.padEnd(24)}${cells.map(cell => cell.padStart(20)).join('')}`.trimEnd())
  }
}
await executor.close()
