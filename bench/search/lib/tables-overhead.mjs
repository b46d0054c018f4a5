// The table of bench/search/overhead.mjs.
import { readLines } from './lines.mjs'
import { brief, table } from './table.mjs'

export function overheadTable() {
  const solvers = [...readLines('overhead')]
  const runs = solvers.flatMap(([, found]) => found)
  const unique = name => [...new Set(runs.map(run => run[name]))].sort((a, b) => a - b)
  const columns = unique('d').flatMap(d => unique('tells').map(tells => ({ d, tells })))
  const rows = solvers.map(([name, found]) => [
    name,
    ...columns.map(({ d, tells }) => {
      const run = found.find(candidate => candidate.d === d && candidate.tells === tells)
      return run?.milliseconds == null ? '—' : brief(run.milliseconds)
    }),
  ])
  return [
    '**Milliseconds of processor time per ask and tell** (mean; columns: genes, after so many tells)',
    '',
    table(['solver', ...columns.map(({ d, tells }) => `${d}, ${tells}`)], rows),
  ].join('\n')
}
