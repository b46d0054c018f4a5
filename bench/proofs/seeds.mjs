// The shipped search over ten seeds: does the winner beat the best single expert and the uniform average on the holdout mean?
//   node bench/proofs/seeds.mjs [--seeds 10] [--budget 300]
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10' },
    budget: { type: 'string', default: '300' },
    strategy: { type: 'string', default: 'cma-es' },
  },
})
const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'amalgam-seeds-'))
let won = 0
try {
  for (let seed = 1; seed <= Number(options.seeds); seed++) {
    const target = join(folder, `seed-${seed}`)
    const started = performance.now()
    const search = spawnSync(
      process.execPath,
      [
        'bin/amalgam.js',
        'search',
        'search-spaces/digits.yaml',
        '--strategy',
        options.strategy,
        '--budget',
        options.budget,
        '--seed',
        String(seed),
        '--run',
        target,
        '--no-progress',
      ],
      { cwd: root, encoding: 'utf8' },
    )
    const seconds = (performance.now() - started) / 1000
    if (search.status !== 0) throw new Error(search.stderr)
    const report = spawnSync(process.execPath, ['bin/amalgam.js', 'report', target, '--json'], {
      cwd: root,
      encoding: 'utf8',
    })
    const facts = JSON.parse(report.stdout)
    const meanOf = scores => scores.holdout.values.reduce((sum, value) => sum + value, 0) / scores.holdout.values.length
    const role = name => facts.baselines.find(baseline => baseline.name === name).role
    const experts = facts.baselines.filter(baseline => baseline.role === 'source')
    const bestExpert = experts.sort((a, b) => meanOf(b.scores) - meanOf(a.scores))[0].name
    const comparisons = facts.comparisons.map(
      ({ baseline, overall }) =>
        `${baseline} ${overall.gain >= 0 ? '+' : ''}${overall.gain.toFixed(3)} (p ${overall.correctedP.toExponential(1)}, ${overall.verdict})`,
    )
    const needed = facts.comparisons.filter(({ baseline }) => baseline === bestExpert || role(baseline) === 'uniform')
    const beats = needed.length === 2 && needed.every(({ overall }) => overall.verdict === 'better')
    if (beats) won++
    console.log(
      `seed ${String(seed).padStart(2)}  ${seconds.toFixed(1)} s  winner ${meanOf(facts.winner.candidate.scores).toFixed(4)}  ${beats ? 'better' : 'NOT BETTER'}  best expert ${bestExpert}  ${comparisons.join('; ')}`,
    )
  }
  console.log(
    `${won} of ${options.seeds} seeds: the winner beats the best single expert and the uniform average on the holdout mean`,
  )
  process.exitCode = won >= 0.9 * Number(options.seeds) ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
