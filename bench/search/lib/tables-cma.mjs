// The table of bench/search/cma.mjs.
import { readLines } from './lines.mjs'
import { QUADRATICS } from './quadratics.mjs'
import { geometricMean, median, signedRank } from './statistics.mjs'
import { table } from './table.mjs'

export const CMA_PEERS = ['pycma', 'cmaes']

/** Cells of one solver: median evaluations of the converged runs, successes, runs; undefined without runs. */
function cell(runs, problem, d) {
  const chosen = runs.filter(run => run.problem === problem && run.d === d)
  const hits = chosen.flatMap(run => run.hit ?? [])
  return chosen.length === 0 ? undefined : { median: median(hits), hits: hits.length, runs: chosen.length }
}

/** One table per own solver: medians, the ratio to the better peer, and the bars of the proof. */
export function cmaTable() {
  const solvers = readLines('cma')
  const peers = CMA_PEERS.filter(name => solvers.has(name))
  const own = [...solvers.keys()].filter(name => !CMA_PEERS.includes(name))
  return own.map(name => tableOf(solvers, name, peers)).join('\n\n')
}

function tableOf(solvers, name, peers) {
  const rows = []
  const ratios = []
  const misses = []
  for (const problem of QUADRATICS) {
    for (const d of [5, 10, 20, 40]) {
      const ours = cell(solvers.get(name), problem, d)
      if (ours === undefined) continue
      const theirs = peers.map(peer => cell(solvers.get(peer), problem, d))
      const known = theirs.filter(entry => entry !== undefined)
      const ratio = ours.median / Math.min(...known.map(entry => entry.median))
      if (Number.isFinite(ratio)) ratios.push(ratio)
      const worst = Math.max(...known.map(entry => entry.hits / entry.runs))
      const failing = ratio > 1.05 || ours.hits / ours.runs < worst - 1 / 21 - 1e-9
      if (failing) misses.push(`${problem} d=${d}`)
      const show = entry => (entry === undefined ? '—' : `${Math.round(entry.median)} (${entry.hits}/${entry.runs})`)
      rows.push([problem, d, show(ours), ...theirs.map(show), ratio.toFixed(3), failing ? 'no' : 'yes'])
    }
  }
  const { p } = signedRank(ratios.map(Math.log))
  return [
    `**${name}**: median evaluations to 1e-8 (runs that got there), ratio to the better peer`,
    '',
    table(['function', 'd', name, ...peers, 'ratio', '<= 1.05'], rows),
    '',
    `Geometric mean of the ${ratios.length} ratios: ${geometricMean(ratios).toFixed(3)}; largest ${Math.max(...ratios).toFixed(3)}; Wilcoxon p = ${p.toPrecision(2)}.`,
    misses.length === 0 ? 'Every cell is within the bar.' : `Outside the bar: ${misses.join(', ')}.`,
  ].join('\n')
}
