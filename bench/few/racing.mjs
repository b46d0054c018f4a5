// Searches that race their candidates beside searches that score each on every example: the same strategy, seeds and budget.
//
//     npm run build && node bench/few/racing.mjs [--searches 200] [--offset 0] [--budget 100] [--items 200,500,1000]
//
// Seeds offset to offset + searches - 1. With --only the searches alone, without equal candidates and false claims.
//
// Landscapes with known truth: a candidate's abilities on two skills fall with the distance of its genes from an optimum, examples are items of a
// two-parameter logistic model (2PL), and a candidate answers each once, for good: its answers are part of its weights. "Truth" is the
// score on all items of the search split, which is what a search without racing sees. The search loop, run store included, is the real one;
// only the worker is simulated.
import { parseArgs } from 'node:util'
import { createParetoArchive } from '../../dist/archive/pareto-archive.js'
import { exampleOrder } from '../../dist/evaluation/example-order.js'
import { isWorse } from '../../dist/racing/paired-test.js'
import { PROMISING_SHARE, PROMISING_WAVE, promising } from '../../dist/racing/promising.js'
import { rungSizes } from '../../dist/racing/rungs.js'
import { compareModels, verdictOf } from '../../dist/report/statistics.js'
import { createRng } from '../../dist/rng.js'
import { search } from '../../dist/search.js'
import { strategyDefinition } from '../../dist/strategies/registry.js'
import { memoryRun } from './memory-run.mjs'

const { values: flags } = parseArgs({
  options: {
    searches: { type: 'string', default: '200' },
    offset: { type: 'string', default: '0' },
    budget: { type: 'string', default: '100' },
    items: { type: 'string', default: '200,500,1000' },
    strategies: { type: 'string', default: 'random,cma-es' },
    rows: { type: 'string', default: 'test only,racing,none' },
    only: { type: 'boolean', default: false },
  },
})
const SEARCHES = Number(flags.searches)
const OFFSET = Number(flags.offset)
const BUDGET = Number(flags.budget)
const SLOTS = 8
const OBJECTIVE = {
  name: 'accuracy',
  direction: 'maximize',
  unit: 'accuracy, 0..1',
  reference: 0,
  ideal: 1,
  perExample: { low: 0, high: 1 },
}

/** Two skills, d genes; discriminations and difficulties as 2PL fits of benchmarks have them. */
function landscape(seed, items, d, steepness) {
  const rng = createRng(seed).split('landscape')
  const order = exampleOrder(
    Int32Array.from({ length: items }, (_, i) => i % 2),
    `items ${seed}`,
  )
  const bank = Array.from({ length: items }, (_, i) => ({
    skill: i % 2,
    a: Math.exp(0.3 * rng.normal()),
    b: rng.normal(),
  }))
  const optima = [0, 1].map(() => Float64Array.from({ length: d }, () => 0.3 + 0.4 * rng.uniform()))
  const peak = 1 + 0.5 * rng.normal()
  const known = new Map()
  const scores = genome => {
    const key = Array.from(genome).join(' ')
    if (!known.has(key)) known.set(key, answer(genome))
    return known.get(key)
  }
  const answer = genome => {
    const luck = createRng(seed).split(`answers ${Array.from(genome).join(' ')}`)
    const abilities = optima.map(
      at => peak - (steepness * Math.hypot(...at.map((x, k) => x - genome[k]))) / Math.sqrt(d),
    )
    const answers = bank.map(({ skill, a, b }) =>
      luck.uniform() < 1 / (1 + Math.exp(-a * (abilities[skill] - b))) ? 1 : 0,
    )
    return Float32Array.from(order, i => answers[i])
  }
  return { items, d, scores, mean: genome => scores(genome).reduce((sum, x) => sum + x, 0) / items }
}

const space = d => {
  const genes = Array.from({ length: d }, (_, k) => ({
    kind: 'real',
    name: `g${k}`,
    initial: 0.5,
    low: 0,
    high: 1,
    scale: 'linear',
  }))
  return {
    id: 'few',
    genes,
    initial: new Float64Array(d).fill(0.5),
    decode: genome => ({ genome: [...genome] }),
    encode: recipe => Float64Array.from(recipe.genome),
  }
}

async function run(land, kind, seed, racing, budget) {
  const domain = space(land.d)
  const definition = strategyDefinition(kind)
  const context = { domain, objectives: [OBJECTIVE], rng: createRng(seed).split('strategy'), budget, slots: SLOTS }
  const archive = createParetoArchive([OBJECTIVE])
  const store = memoryRun([OBJECTIVE])
  let examples = 0
  const executor = {
    exampleCount: () => [land.items],
    submit: async ({ recipe, ranges }) => {
      const { begin, end } = ranges?.[0] ?? { begin: 0, end: land.items }
      examples += end - begin
      const scores = land.scores(recipe.genome).slice(begin, end)
      return {
        status: 'scored',
        values: [scores.reduce((sum, x) => sum + x, 0) / scores.length],
        exampleScores: [scores],
        timing: { totalMs: 0, mergeMs: 0, inferenceMs: 0 },
      }
    },
  }
  await search(
    {
      space: domain,
      objectives: [OBJECTIVE],
      strategy: definition.create(context, definition.options.parse({})),
      executor,
      archive,
      run: store,
      budget,
      slots: SLOTS,
      pending: [],
      racing,
    },
    new AbortController().signal,
  )
  const trials = store.trials()
  // As finalize does: what was outranked and may be best is scored to the end, a few at a time.
  let current = trials
  for (let left = Math.ceil(PROMISING_SHARE * trials.length); left > 0; left -= PROMISING_WAVE) {
    const again = promising(
      current.map(t => t.evaluation),
      [OBJECTIVE],
      'worst',
      Math.min(left, PROMISING_WAVE),
    )
    if (again.length === 0) break
    current = current.map((t, i) => {
      if (!again.includes(i)) return t
      examples += land.items - t.evaluation.exampleScores[0].length
      const scores = land.scores(t.genome)
      const values = [scores.reduce((sum, x) => sum + x, 0) / land.items]
      return { ...t, evaluation: { status: 'scored', values, exampleScores: [scores], timing: t.evaluation.timing } }
    })
  }
  const finished = current.filter(t => t.evaluation.partial === undefined)
  const truths = trials.map(t => land.mean(t.genome))
  const pick = finished.reduce(
    (best, t) => (best === undefined || land.mean(t.genome) > land.mean(best.genome) ? t : best),
    undefined,
  )
  const best = Math.max(...truths)
  const bestTrial = trials[truths.indexOf(best)]
  return {
    pick: land.mean(pick.genome),
    picked: pick.genome,
    best,
    examples,
    lost: bestTrial.evaluation.partial?.stopped === 'dominated' && pick.id !== bestTrial.id,
    missed: land.mean(pick.genome) < best,
  }
}

const RACING = { eta: 2, alpha: 0.05, share: 1 / 4 }
const RACES = { 'test only': { ...RACING, share: 1 }, racing: RACING }
const percent = x => `${(100 * x).toFixed(1)} %`
const pad = (cells, widths) =>
  cells.map((cell, i) => (i < 3 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i]))).join('  ')
const WIDTHS = [6, 9, 17, 10, 12, 12, 12, 10]

console.log(
  `${SEARCHES} searches a row, ${BUDGET} candidates each (CMA-ES ${2 * BUDGET}); seeds from ${OFFSET}; eta 2, alpha 0.05, share 1/4.`,
)
console.log(
  'examples: share of what scoring every candidate on everything takes, the second look at promising ones included.',
)
console.log(
  'within 1 SE: the final pick is at most one standard error (of a score on all items) below that of the search without racing.',
)
console.log(
  'best stopped: of all candidates of the search the best one was stopped as worse than a rival, and so not picked.',
)
console.log(
  'The row "other seed" is a search without racing beside another one: how far two such searches are apart anyway.',
)
console.log()
console.log(pad(['items', 'strategy', 'racing', 'examples', 'within 1 SE', 'best stopped', 'mean loss'], WIDTHS))
for (const items of flags.items.split(',').map(Number)) {
  for (const kind of flags.strategies.split(',')) {
    const budget = kind === 'cma-es' ? 2 * BUDGET : BUDGET
    const wanted = flags.rows.split(',')
    const rows = Object.fromEntries(
      Object.entries({ ...RACES, ...(kind !== 'random' && { 'none, other seed': undefined }) }).filter(([name]) =>
        wanted.includes(name.split(', ')[0]),
      ),
    )
    const tally = Object.fromEntries(
      Object.keys(rows).map(name => [name, { examples: 0, within: 0, lost: 0, loss: 0 }]),
    )
    for (let s = OFFSET; s < OFFSET + SEARCHES; s++) {
      const land = landscape(1000 * items + s, items, 6, 6)
      const full = await run(land, kind, s, undefined, budget)
      const se = Math.sqrt((full.pick * (1 - full.pick)) / items)
      for (const [name, racing] of Object.entries(rows)) {
        const raced = await run(land, kind, racing === undefined ? s + 1e6 : s, racing, budget)
        const t = tally[name]
        t.examples += raced.examples / full.examples / SEARCHES
        t.within += (raced.pick >= full.pick - se - 1e-12) / SEARCHES
        t.lost += raced.lost / SEARCHES
        t.loss += (full.pick - raced.pick) / SEARCHES
      }
    }
    for (const [name, t] of Object.entries(tally))
      console.log(
        pad([items, kind, name, percent(t.examples), percent(t.within), percent(t.lost), t.loss.toFixed(4)], WIDTHS),
      )
  }
}

if (flags.only) process.exit()

console.log()
console.log(
  'Equal candidates: share of 2,000 that are stopped as worse than a rival which is as good, looked at after every rung; of 500, after every example.',
)
for (const items of [200, 500, 1000]) {
  const rng = createRng(items)
  const draw = () => {
    if (rng.uniform() >= 0.3) return rng.uniform() < 0.6 ? [1, 1] : [0, 0]
    return rng.uniform() < 0.5 ? [1, 0] : [0, 1]
  }
  let [rungs, every] = [0, 0]
  for (let r = 0; r < 2000; r++) {
    const pairs = Array.from({ length: items }, draw)
    const [a, b] = [0, 1].map(side => Float32Array.from(pairs, pair => pair[side]))
    const stopped = sizes => sizes.some(n => isWorse(a.subarray(0, n), b, OBJECTIVE, items, 0.05))
    if (
      stopped(
        rungSizes([items], 2)
          .slice(0, -1)
          .map(([n]) => n),
      )
    )
      rungs++
    if (r < 500 && stopped(Array.from({ length: items - 20 }, (_, i) => i + 20))) every++
  }
  console.log(`${String(items).padEnd(6)}${percent(rungs / 2000).padStart(8)}${percent(every / 500).padStart(9)}`)
}

console.log()
console.log(
  'False claims: no candidate is any better than the parent (60 candidates raced to the best on 200 examples, 200 holdout examples).',
)
const flat = { items: 200, d: 6 }
let [naive, honest] = [0, 0]
for (let s = 0; s < 1000; s++) {
  const rng = createRng(s).split('claims')
  const item = Array.from({ length: 400 }, () => 1 / (1 + Math.exp(-1.5 * rng.normal())))
  const answers = label => {
    const own = createRng(s).split(`claims of ${label}`)
    return Float32Array.from(item, p => (own.uniform() < p ? 1 : 0))
  }
  const land = { ...flat, scores: genome => answers([...genome].join(' ')).slice(0, 200) }
  land.mean = genome => land.scores(genome).reduce((sum, x) => sum + x, 0) / 200
  const { picked } = await run(land, 'random', s, RACING, 60)
  const claim = (from, to, name) => {
    const scored = scores => ({
      status: 'scored',
      values: [scores.reduce((sum, x) => sum + x, 0) / scores.length],
      exampleScores: [scores],
    })
    const winner = scored(answers([...picked].join(' ')).slice(from, to))
    const { gain, p } = compareModels(
      winner,
      scored(answers('parent').slice(from, to)),
      [OBJECTIVE],
      createRng(s).split(name),
    )
    return verdictOf(gain, p) === 'better'
  }
  if (claim(0, 200, 'search')) naive++
  if (claim(200, 400, 'holdout')) honest++
}
console.log(
  `"better than the parent" in ${percent(honest / 1000)} of 1,000 searches on holdout, as reports say it; in ${percent(naive / 1000)} had the search split been quoted.`,
)
