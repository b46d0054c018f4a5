// A shipped search over several seeds: what the report says of its winner on the holdout split, beside the fixed merges and random search.
//   node bench/examples/searches.mjs tiny-llama [--seeds 3] [--first 1] [--budget N] [--workers N] [--without-random] [--folder DIR]
// Seeds are --first and the ones after it. --without-random leaves the random search out, half of the time. With --folder the runs
// stay there, and a command that was interrupted goes on where it was. Exit code 1: not every winner was better than both the
// uniform average and the best one-number scale.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '3' },
    first: { type: 'string', default: '1' },
    budget: { type: 'string' },
    strategy: { type: 'string' },
    workers: { type: 'string' },
    'without-random': { type: 'boolean', default: false },
    folder: { type: 'string' },
  },
})
const [name] = positionals
if (name === undefined) throw new Error('Name a file of search-spaces/, such as tiny-llama.')
const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = options.folder === undefined ? mkdtempSync(join(tmpdir(), 'amalgam-searches-')) : resolve(options.folder)

const amalgam = args => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['bin/amalgam.js', ...args], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  if (status !== 0) throw new Error(stderr)
  return stdout
}
const optional = key => (options[key] === undefined ? [] : [`--${key}`, options[key]])
/** The shipped file, or a copy of it that has no random search, its paths made absolute. */
const spaceFile = () => {
  const shipped = join('search-spaces', `${name}.yaml`)
  if (!options['without-random']) return shipped
  const text = readFileSync(join(root, shipped), 'utf8').replaceAll(' ../', ` ${root}`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.yaml`), `${text}baselines: { random_search: false }\n`)
  return join(folder, `${name}.yaml`)
}
const digits = value => value.toFixed(4)
const signed = value => `${value < 0 ? '' : '+'}${digits(value)}`
const within = interval => (interval === undefined ? '' : ` [${signed(interval.low)}, ${signed(interval.high)}]`)

const first = Number(options.first)
let won = 0
try {
  for (let seed = first; seed < first + Number(options.seeds); seed++) {
    const target = join(folder, `${name}-${seed}`)
    const extra = optional('workers')
    if (existsSync(target)) amalgam(['resume', target, '--no-progress', ...extra])
    else {
      const how = [...optional('budget'), ...optional('strategy'), ...extra]
      amalgam(['search', spaceFile(), '--seed', String(seed), '--run', target, '--no-progress', ...how])
    }
    const facts = JSON.parse(amalgam(['report', target, '--json']))
    const { holdout } = facts.winner.candidate.scores
    const roleOf = baseline => facts.baselines.find(({ name }) => name === baseline).role
    const objectives = facts.objectives.map((objective, i) => `${objective.name} ${digits(holdout.values[i])}`)
    const mean = holdout.mean === undefined ? '' : `, mean ${digits(holdout.mean.value)}`
    console.log(`seed ${seed}: candidate ${facts.winner.candidate.id}, holdout ${objectives.join(' ')}${mean}`)
    for (const { baseline, overall } of facts.comparisons) {
      const { gain, interval, correctedP, verdict, reason } = overall
      const said = reason ?? `${signed(gain)}${within(interval)} p ${correctedP.toExponential(1)} ${verdict}`
      console.log(`  beside ${baseline.padEnd(14)} ${said}`)
    }
    const rivals = facts.comparisons.filter(({ baseline }) => ['uniform', 'scale'].includes(roleOf(baseline)))
    if (rivals.length === 2 && rivals.every(({ overall }) => overall.verdict === 'better')) won++
  }
} finally {
  if (options.folder === undefined) rmSync(folder, { recursive: true, force: true })
}
console.log(
  `${won} of ${options.seeds} seeds: better than the uniform average and the best one-number scale (mean of the objectives on holdout; 95 % intervals, Holm's correction)`,
)
process.exitCode = won === Number(options.seeds) ? 0 : 1
