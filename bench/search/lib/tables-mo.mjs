// The table of bench/search/mo.mjs.
import { FRONT_VOLUMES } from './fronts.mjs'
import { readLines } from './lines.mjs'
import { median } from './statistics.mjs'
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
  return found.length === 0 ? undefined : { median: median(found), runs: found.length }
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

/** Where each own solver stands against the best peer: at most 0.5 % of the true volume behind. */
function summary(solvers, truth) {
  const peers = [...solvers.keys()].filter(name => !isOurs(name))
  const rows = [...solvers.keys()].filter(isOurs).flatMap(name =>
    CHECKPOINTS.flatMap(n => {
      const gaps = Object.entries(truth).flatMap(([problem, volume]) => {
        const ours = cell(solvers.get(name), problem, n)
        const theirs = peers.flatMap(peer => cell(solvers.get(peer), problem, n)?.median ?? [])
        if (ours === undefined || theirs.length === 0) return []
        return [
          { problem, gap: (ours.median - Math.max(...theirs)) / volume, near: ours.median / volume >= 1 - ALLOWED },
        ]
      })
      if (gaps.length === 0) return []
      const misses = gaps.filter(({ gap, near }) => !near && gap < -ALLOWED)
      const better = gaps.filter(({ gap }) => gap > 0).length
      const list = misses.map(({ problem, gap }) => `${problem} ${(100 * gap).toFixed(1)}`).join(', ')
      return [[name, n, gaps.length, better, misses.length, list === '' ? '—' : list]]
    }),
  )
  return [
    '**Against the best of the peers**: problems won, and missed (more than 0.5 % of the true volume behind it, and more than 0.5 % below the truth)',
    '',
    table(['ours', 'evaluations', 'problems', 'better', 'missed', 'by percent of the true volume'], rows),
  ].join('\n')
}
