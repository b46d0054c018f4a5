// The table of bench/search/mo.mjs.
import { FRONT_VOLUMES } from './fronts.mjs'
import { readLines } from './lines.mjs'
import { median, rankSum } from './statistics.mjs'
import { table } from './table.mjs'

const CHECKPOINTS = [5_000, 10_000, 25_000]
const ALLOWED = 0.005

const isOurs = name => name.startsWith('amalgam-')

export function moTable() {
  const solvers = readLines('mo')
  const truth = Object.fromEntries(Object.entries(FRONT_VOLUMES).map(([problem, volume]) => [problem, volume()]))
  return [...CHECKPOINTS.map(n => volumes(solvers, truth, n)), summary(solvers, truth)].join('\n\n')
}

const cell = (runs, problem, n) => {
  const found = (runs ?? []).filter(run => run.problem === problem && n in run.hv).map(run => run.hv[n])
  return found.length === 0 ? undefined : { median: median(found), runs: found.length, found }
}

function volumes(solvers, truth, n) {
  const names = [...solvers.keys()]
  const rows = Object.entries(truth).map(([problem, volume]) => [
    problem,
    volume.toFixed(4),
    ...names.map(name => {
      const found = cell(solvers.get(name), problem, n)
      return found === undefined ? '—' : `${((100 * found.median) / volume).toFixed(2)} (${found.runs})`
    }),
  ])
  return [
    `**Median hypervolume after ${n} evaluations, in percent of the true front's (seeds)**`,
    '',
    table(['problem', 'true', ...names], rows),
  ].join('\n')
}

/**
 * Where each own solver stands beside the peer of the same kind, and the best of ours beside the best of theirs: at most 0.5 % of the true volume behind.
 */
function summary(solvers, truth) {
  const peers = [...solvers.keys()].filter(name => !isOurs(name))
  const own = [...solvers.keys()].filter(isOurs)
  const twins = own.flatMap(name => {
    const twin = name.replace('amalgam-', 'pymoo-')
    return peers.includes(twin) ? [{ title: name, ours: [name], theirs: [twin] }] : []
  })
  const rows = [...twins, { title: 'best of ours, best of theirs', ours: own, theirs: peers }].flatMap(
    ({ title, ours, theirs }) =>
      CHECKPOINTS.flatMap(n => {
        const gaps = Object.entries(truth).flatMap(([problem, volume]) => {
          const [left, right] = [ours, theirs].map(names =>
            Math.max(...names.flatMap(name => cell(solvers.get(name), problem, n)?.median ?? [])),
          )
          if (!Number.isFinite(left) || !Number.isFinite(right)) return []
          const samples = [ours, theirs].map(
            names => names.length === 1 && cell(solvers.get(names[0]), problem, n)?.found,
          )
          const p = samples.every(Array.isArray) ? rankSum(...samples) : undefined
          return [{ problem, gap: (left - right) / volume, near: left / volume >= 1 - ALLOWED, p }]
        })
        if (gaps.length === 0) return []
        const misses = gaps.filter(({ gap, near }) => !near && gap < -ALLOWED)
        const better = gaps.filter(({ gap }) => gap > 0).length
        const list = misses
          .map(
            ({ problem, gap, p }) =>
              `${problem} ${(100 * gap).toFixed(1)}${p === undefined ? '' : ` (p ${p.toFixed(2)})`}`,
          )
          .join(', ')
        const clear = sign => gaps.filter(({ gap, p }) => p < 0.05 && sign * gap > 0).length
        const clearly = gaps.some(({ p }) => p !== undefined) ? `${clear(1)} : ${clear(-1)}` : '—'
        return [[title, n, gaps.length - misses.length, better, clearly, misses.length, list === '' ? '—' : list]]
      }),
  )
  return [
    '**Beside pymoo’s algorithm of the same kind** (medians; p: Mann and Whitney, exact). Passed: within 0.5 % of the truth, or at most 0.5 % of it behind. Better: more volume',
    '',
    table(
      [
        'ours',
        'evaluations',
        'passed',
        'better',
        'p < 0.05: better : worse',
        'missed',
        'by percent of the true volume',
      ],
      rows,
    ),
  ].join('\n')
}
