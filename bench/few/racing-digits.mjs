// Searches of the digits experts that race their candidates beside searches that score each on every example, paired by seed.
//
//     npm run build && node bench/few/racing-digits.mjs --seeds 0:20 [--strategies random,cma-es] [--budget 300] [--workers 1] [--results FILE]
//
// Seeds a to b - 1. With --results every pair is appended to a file of JSON lines, pairs that are in it are not run again, and the table is of all
// of them. Exit code 1: a strategy is below the bar, picks within one standard error in 95 % of the pairs at 40 % of the examples, the best stopped
// in 5 % at most.
//
// Real models, the real search from start to end, without its random baseline and without the file of known scores. A search's pick is
// the winner that its report names: of the front, the best on `search` and `select` together. What is compared is the pick's value on all of `search`, as one number:
// the scalarised loss that the search itself goes by. Its standard error is that of the full search's pick, from its answers to the examples.
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createParetoArchive } from '../../dist/archive/pareto-archive.js'
import { createInlineExecutor, loadSearchConfig, readRun, startRun, viewRun } from '../../dist/index.js'
import { wilsonInterval } from '../../dist/report/intervals.js'
import { scalarize, scalarPieces } from '../../dist/scalarization.js'

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string', default: '0:5' },
    strategies: { type: 'string', default: 'random,cma-es' },
    budget: { type: 'string', default: '300' },
    workers: { type: 'string', default: '1' },
    results: { type: 'string' },
  },
})
const RACING = { eta: 2, alpha: 0.05, share: 1 / 4 }
const BAR = { within: 0.95, examples: 0.4, stopped: 0.05 }
const FILE = fileURLToPath(new URL('../../search-spaces/digits.yaml', import.meta.url))
const [BEGIN, END] = flags.seeds.split(':').map(Number)
const BUDGET = Number(flags.budget)
if (!(Number.isInteger(BEGIN) && END > BEGIN)) throw new Error(`Expected --seeds a:b with a < b, got ${flags.seeds}.`)

const folder = mkdtempSync(join(tmpdir(), 'amalgam-racing-digits-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

async function searched(strategy, seed, racing) {
  const file = loadSearchConfig(FILE, { strategy, seed, budget: BUDGET })
  const config = { ...file, baselines: { randomSearch: false }, ...(racing && { racing }) }
  const target = join(folder, `${strategy}-${seed}-${racing ? 'raced' : 'full'}`)
  const { interrupted } = await startRun(config, target, {
    signal: new AbortController().signal,
    workers: Number(flags.workers),
  })
  if (interrupted) throw new Error(`The search with ${strategy}, seed ${seed}, ended before its winner was named.`)
  const run = readRun(target)
  const { objectives } = run.manifest
  const { space, options } = viewRun(run)
  // Of candidates that were stopped early, what the second look before a winner is named has found.
  const again = new Map(
    run
      .assessments()
      .filter(({ subject, split }) => split === 'search' && subject.startsWith('candidate:'))
      .map(({ subject, evaluation }) => [Number(subject.slice('candidate:'.length)), evaluation]),
  )
  const found = {
    config,
    space,
    objectives,
    kind: options.scalarization,
    trials: run.trials(),
    again,
    winner: run.fact('winner').id,
  }
  run.close()
  rmSync(target, { recursive: true })
  return found
}

const lossOf = ({ objectives, kind }, { values }) =>
  scalarize(
    kind,
    values.map((value, i) => (objectives[i].direction === 'maximize' ? -value : value)),
    objectives,
  )

/** Of a loss that is the largest of affine functions of accuracies: that of the function which is the largest. */
function standardError({ objectives, kind }, { values, exampleScores }) {
  const at = ({ offset, slopes }) => slopes.reduce((sum, slope, i) => sum + slope * values[i], offset)
  const { slopes } = scalarPieces(kind, objectives).reduce((a, b) => (at(b) > at(a) ? b : a))
  return Math.sqrt(
    slopes.reduce((sum, slope, i) => sum + (slope ** 2 * values[i] * (1 - values[i])) / exampleScores[i].length, 0),
  )
}

const sum = numbers => numbers.reduce((a, b) => a + b, 0)
const mean = numbers => sum(numbers) / numbers.length
const looked = ({ exampleScores }) => sum(exampleScores.map(({ length }) => length))

/** What each candidate scores on everything, those included that the search did not want to know it of. */
async function truths({ config, space, trials, again }, full) {
  const executor = await createInlineExecutor({ sources: config.sources, evaluator: config.evaluator })
  const found = []
  for (const { id, genome, evaluation } of trials) {
    const twin = full.trials[id]
    const isTwin = twin !== undefined && genome.every((x, k) => x === twin.genome[k])
    if (evaluation.partial === undefined) found.push(evaluation)
    else if (again.has(id)) found.push(again.get(id))
    else if (isTwin) found.push(twin.evaluation)
    else found.push(await executor.submit({ label: `candidate ${id}`, recipe: space.decode(genome), split: 'search' }))
  }
  await executor.close()
  const failed = found.find(({ status }) => status !== 'scored')
  if (failed !== undefined) throw new Error(failed.reason)
  return found
}

/** Hypervolume of the front at the end of a search, second looks included. */
function hypervolume({ objectives, trials, again }) {
  const archive = createParetoArchive(objectives)
  for (const trial of trials) archive.add({ ...trial, evaluation: again.get(trial.id) ?? trial.evaluation })
  return archive.hypervolume()
}

async function pair(strategy, seed) {
  const full = await searched(strategy, seed, undefined)
  const raced = await searched(strategy, seed, RACING)
  const all = looked(full.trials[0].evaluation)
  const partial = raced.trials.filter(({ evaluation }) => evaluation.partial !== undefined)
  const seen = sum(raced.trials.map(({ evaluation }) => looked(evaluation)))
  // A second look takes the examples that were not seen before where scores are kept (--cache, the default), and all of them where they are not.
  const rest = sum(partial.filter(({ id }) => raced.again.has(id)).map(({ evaluation }) => all - looked(evaluation)))
  const losses = (await truths(raced, full)).map(evaluation => lossOf(raced, evaluation))
  const best = losses.indexOf(Math.min(...losses))
  const isFinished = ({ id, evaluation }) => evaluation.partial === undefined || raced.again.has(id)
  const whole = full.trials[full.winner].evaluation
  const fullLosses = full.trials.map(trial => lossOf(full, trial.evaluation))
  return {
    strategy,
    seed,
    budget: BUDGET,
    examples: (seen + rest) / (all * full.trials.length),
    examplesUncached: (seen + all * raced.again.size) / (all * full.trials.length),
    stoppedEarly: partial.length / raced.trials.length,
    fullPick: lossOf(full, whole),
    standardError: standardError(full, whole),
    racedPick: losses[raced.winner],
    fullBest: Math.min(...fullLosses),
    racedBest: Math.min(...raced.trials.filter(isFinished).map(({ id }) => losses[id])),
    bestStopped: raced.trials[best].evaluation.partial?.stopped === 'dominated' && raced.winner !== best,
    bestUnfinished: !isFinished(raced.trials[best]),
    volume: hypervolume(raced) / hypervolume(full),
  }
}

const results = []
if (flags.results !== undefined && existsSync(flags.results))
  results.push(
    ...readFileSync(flags.results, 'utf8')
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line))
      .filter(({ budget }) => budget === BUDGET),
  )
const strategies = flags.strategies.split(',')
for (let seed = BEGIN; seed < END; seed++) {
  for (const strategy of strategies) {
    if (results.some(known => known.strategy === strategy && known.seed === seed)) continue
    const result = await pair(strategy, seed)
    results.push(result)
    if (flags.results !== undefined) appendFileSync(flags.results, `${JSON.stringify(result)}\n`)
    const { examples, fullPick, racedPick, standardError: se } = result
    console.error(
      `${strategy} ${seed}: ${percent(examples)} of the examples, loss ${racedPick.toFixed(4)} beside ${fullPick.toFixed(4)} ± ${se.toFixed(4)}`,
    )
  }
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`
}
function proportion(flagsOfPairs) {
  const hits = flagsOfPairs.filter(Boolean).length
  const { low, high } = wilsonInterval(hits, flagsOfPairs.length)
  return `${percent(hits / flagsOfPairs.length)} (${(100 * low).toFixed(1)}-${(100 * high).toFixed(1)})`
}
const WIDTHS = [8, 5, 8, 8, 20, 20, 20, 20, 20, 9, 7]
const row = cells => console.log(cells.map((cell, i) => String(cell).padStart(WIDTHS[i])).join('  '))

console.log(`Digits, ${BUDGET} candidates a search; eta 2, alpha 0.05, share 1/4. Intervals: Wilson, 95 %.`)
console.log(
  'examples: share of what scoring every candidate on everything takes, second looks included; uncached: without the file of known scores,',
)
console.log('where a second look starts from the first example again.')
console.log(
  'within 1 SE: the loss of the pick is at most one standard error above that of the full search; other seed: a full search beside that of the next seed;',
)
console.log('best on search: as within 1 SE, of the candidates that lead on search, before select is looked at.')
console.log(
  'best stopped: of all candidates of the raced search the best was stopped as worse than a rival, and so not picked; unfinished: it was not scored on everything;',
)
console.log(
  'mean loss: of the raced pick, above the full one; volume: hypervolume of the front that the raced search names, as a share of that of the full one.',
)
row([
  'strategy',
  'pairs',
  'examples',
  'uncached',
  'within 1 SE',
  'other seed',
  'best on search',
  'best stopped',
  'unfinished',
  'mean loss',
  'volume',
])
for (const strategy of strategies) {
  const own = results.filter(result => result.strategy === strategy).sort((a, b) => a.seed - b.seed)
  const within = own.map(({ racedPick, fullPick, standardError: se }) => racedPick <= fullPick + se + 1e-12)
  const others = own.map(
    ({ fullPick, standardError: se }, i) => own[(i + 1) % own.length].fullPick <= fullPick + se + 1e-12,
  )
  const leading = own.map(({ racedBest, fullBest, standardError: se }) => racedBest <= fullBest + se + 1e-12)
  const stopped = own.map(({ bestStopped }) => bestStopped)
  const examples = mean(own.map(result => result.examples))
  row([
    strategy,
    own.length,
    percent(examples),
    percent(mean(own.map(({ examplesUncached }) => examplesUncached))),
    proportion(within),
    own.length < 2 ? '' : proportion(others),
    proportion(leading),
    proportion(stopped),
    proportion(own.map(({ bestUnfinished }) => bestUnfinished)),
    mean(own.map(({ racedPick, fullPick }) => racedPick - fullPick)).toFixed(4),
    percent(mean(own.map(({ volume }) => volume))),
  ])
  const share = list => list.filter(Boolean).length / list.length
  if (share(within) < BAR.within || examples > BAR.examples || share(stopped) > BAR.stopped) process.exitCode = 1
}
