// The tables of bench/search/bo.mjs: medians, and paired comparisons over seeds.
import { BO_PROBLEMS } from './bo-problems.mjs'
import { readLines } from './lines.mjs'
import { holm, mean, median, signedRank } from './statistics.mjs'
import { brief, table } from './table.mjs'

/** Smaller regrets count as this: below it, rounding decides. */
const FLOOR = 1e-9
const LEVEL = 0.05

const logRegret = value => Math.log10(Math.max(FLOOR, value))
const isOurs = name => name.startsWith('amalgam-')

export function boTable() {
  const solvers = new Map([...readLines('bo')].map(([name, runs]) => [name, longest(runs)]))
  const at = n => medians(solvers, n)
  return [...[50, 100, 200].map(at), comparisons(solvers), costs(solvers)].join('\n\n')
}

/** One run per problem and seed: a longer one repeats the shorter. */
export function longest(runs) {
  const chosen = new Map()
  for (const run of runs) {
    const key = `${run.problem} ${run.seed}`
    if ((chosen.get(key)?.budget ?? 0) < run.budget) chosen.set(key, run)
  }
  return [...chosen.values()]
}

function medians(solvers, n) {
  const names = [...solvers].filter(([, runs]) => runs.some(run => n in run.best)).map(([name]) => name)
  const rows = Object.keys(BO_PROBLEMS).map(problem => [
    problem,
    ...names.map(name => {
      const found = solvers.get(name).filter(run => run.problem === problem && n in run.best)
      return found.length === 0 ? '—' : `${brief(median(found.map(run => run.best[n])))} (${found.length})`
    }),
  ])
  return [`**Median regret after ${n} evaluations (seeds)**`, '', table(['problem', ...names], rows)].join('\n')
}

/** Every own solver beside every peer: mean difference of log10 regret over common seeds, tested per problem. */
function comparisons(solvers) {
  const ours = [...solvers.keys()].filter(isOurs)
  const peers = [...solvers.keys()].filter(name => !isOurs(name))
  const rows = []
  for (const own of ours) {
    for (const peer of peers) {
      for (const n of [50, 100, 200]) {
        const cells = Object.keys(BO_PROBLEMS).flatMap(problem => {
          const differences = paired(solvers.get(own), solvers.get(peer), problem, n)
          return differences.length === 0 ? [] : [{ problem, differences }]
        })
        if (cells.length > 0) rows.push([own, peer, n, ...verdict(cells)])
      }
    }
  }
  return [
    `**Paired comparisons**: log10 regret ours minus theirs (negative: ours is better), mean over common seeds; better and worse by the mean, in brackets significantly so (Wilcoxon with Holm, ${LEVEL})`,
    '',
    table(['ours', 'peer', 'evaluations', 'seeds', 'mean', 'better', 'worse', 'worst problem'], rows),
  ].join('\n')
}

function paired(ours, theirs, problem, n) {
  const bySeed = new Map(
    theirs.filter(run => run.problem === problem && n in run.best).map(run => [run.seed, run.best[n]]),
  )
  return ours
    .filter(run => run.problem === problem && n in run.best && bySeed.has(run.seed))
    .map(run => logRegret(run.best[n]) - logRegret(bySeed.get(run.seed)))
}

function verdict(cells) {
  const means = cells.map(({ differences }) => mean(differences))
  const adjusted = holm(cells.map(({ differences }) => signedRank(differences).p))
  const count = sign => {
    const chosen = means.flatMap((m, i) => (Math.sign(m) === sign ? [i] : []))
    return `${chosen.length} (${chosen.filter(i => adjusted[i] < LEVEL).length})`
  }
  const worst = means.indexOf(Math.max(...means))
  const seeds = cells.map(({ differences }) => differences.length)
  const least = Math.min(...seeds)
  const most = Math.max(...seeds)
  return [
    least === most ? least : `${least}–${most}`,
    mean(means).toFixed(2),
    count(-1),
    count(1),
    `${cells[worst].problem} ${means[worst] > 0 ? '+' : ''}${means[worst].toFixed(2)}`,
  ]
}

/** Processor time per evaluation, the whole run's mean: asks get dearer as it goes on, so runs of other lengths are not comparable. */
function costs(solvers) {
  const budgets = [...new Set([...solvers.values()].flat().map(run => run.budget))].sort((a, b) => a - b)
  const names = [...solvers.keys()]
  const rows = budgets.flatMap(budget =>
    [10, 100].map(d => [
      `${d === 100 ? '100' : 'up to 10'} genes, ${budget} evaluations`,
      ...names.map(name => {
        const found = solvers.get(name).filter(run => run.budget === budget && (d === 100) === (run.d === 100))
        return found.length === 0 ? '—' : brief(median(found.map(run => (1000 * run.cpu) / run.evaluations)))
      }),
    ]),
  )
  return ['**Processor milliseconds per evaluation** (median over runs)', '', table(['runs of', ...names], rows)].join(
    '\n',
  )
}
