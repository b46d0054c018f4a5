// Tables of the MAP proof from bench/results/search/map/*.jsonl.
import { readLines } from './lib/lines.mjs'
import { mean, signedRank } from './lib/statistics.mjs'
import { winRate } from './map-fronts.mjs'

const OURS = 'amalgam-map'

/** Mean and half the width of its 95 % interval over the runs, by Student's t. */
function interval(values) {
  const n = values.length
  const centre = mean(values)
  if (n < 2) return { centre, half: Number.NaN }
  const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - centre) ** 2, 0) / (n - 1))
  return { centre, half: (T975[Math.min(n - 1, T975.length) - 1] * deviation) / Math.sqrt(n) }
}
/** Student's t, 97.5 % quantile, for 1, 2, … degrees of freedom. */
const T975 = [
  12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086,
]

const show = values => {
  const { centre, half } = interval(values)
  return `${centre.toFixed(3)} ± ${half.toFixed(3)}`
}

export function mapTable() {
  const bySolver = readLines('map')
  const ours = bySolver.get(OURS) ?? []
  const keyOf = run => `${run.problem} ${run.d} ${run.budget} ${run.seed}`
  const mine = new Map(ours.map(run => [keyOf(run), run]))
  const out = [
    '| problem | tasks | evaluations | solver | runs | win rate of `map` | GD | IGD | IGD+ | p (IGD+) |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ]
  const cells = new Map()
  for (const [solver, runs] of bySolver) {
    for (const run of runs) {
      const cell = `${run.problem} ${String(run.d).padStart(2)} ${run.budget}`
      if (!cells.has(cell)) cells.set(cell, new Map())
      const rows = cells.get(cell)
      if (!rows.has(solver)) rows.set(solver, [])
      rows.get(solver).push(run)
    }
  }
  for (const cell of [...cells.keys()].sort()) {
    for (const [solver, runs] of cells.get(cell)) {
      const { problem, d, budget } = runs[0]
      const paired = runs.flatMap(run => (mine.has(keyOf(run)) ? [{ run, ours: mine.get(keyOf(run)) }] : []))
      const wins = paired.map(({ run, ours: o }) => winRate(o.front, run.front))
      const p = signedRank(paired.map(({ run, ours: o }) => run.igdPlus - o.igdPlus))
      const column = key => show(runs.map(run => run[key]))
      const row = [
        solver,
        runs.length,
        solver === OURS ? '' : show(wins),
        column('gd'),
        column('igd'),
        column('igdPlus'),
      ]
      const direction = p.positive > p.negative ? 'better' : 'worse'
      out.push(
        `| ${problem} | ${d} | ${budget} | ${row.join(' | ')} | ${solver === OURS ? '' : `${p.p.toFixed(4)} ${direction}`} |`,
      )
      if (runs[0].predicted !== undefined) {
        const claimed = key => show(runs.map(run => run.predicted[key]))
        out.push(
          `| ${problem} | ${d} | ${budget} | ${solver}, as predicted | ${runs.length} | | ${claimed('gd')} | ${claimed('igd')} | ${claimed('igdPlus')} | |`,
        )
      }
    }
  }
  return out.join('\n')
}
