// The tables of bench/search/bbob.mjs.
import { GROUPS } from './bbob.mjs'
import { readLines } from './lines.mjs'
import { mean, runtimeArea } from './statistics.mjs'
import { table } from './table.mjs'

const PEERS = ['pycma', 'pycma-bounds']

/** Runs of one of ours and one peer on the same functions, dimensions and instances, for every such couple. */
function couples() {
  const solvers = readLines('bbob')
  const key = run => `${run.problem} ${run.d} ${run.instance}`
  const own = [...solvers].filter(([name]) => !PEERS.includes(name))
  return own.flatMap(([name, runs]) =>
    PEERS.flatMap(peer => {
      const theirs = new Map((solvers.get(peer) ?? []).map(run => [key(run), run]))
      const pairs = runs.flatMap(run => (theirs.has(key(run)) ? [{ ours: run, theirs: theirs.get(key(run)) }] : []))
      return pairs.length === 0 ? [] : [{ name, peer, pairs }]
    }),
  )
}

export function bbobTable() {
  return couples().map(tablesOf).join('\n\n')
}

function tablesOf({ name, peer, pairs }) {
  const dimensions = [...new Set(pairs.map(pair => pair.ours.d))].sort((a, b) => a - b)
  // Every function counts the same, however many of its runs there are yet.
  const area = (chosen, side) =>
    mean(
      [...new Set(chosen.map(pair => pair.ours.problem))].map(problem =>
        runtimeArea(chosen.filter(pair => pair.ours.problem === problem).map(pair => pair[side])),
      ),
    )
  const solved = (chosen, side) => chosen.filter(pair => pair[side].hits.at(-1) !== null).length
  const row = (title, chosen) => {
    if (chosen.length === 0) return []
    const [ours, theirs] = [area(chosen, 'ours'), area(chosen, 'theirs')]
    const solvedBy = `${solved(chosen, 'ours')} / ${solved(chosen, 'theirs')}`
    return [[title, chosen.length, ours.toFixed(3), theirs.toFixed(3), (ours - theirs).toFixed(3), solvedBy]]
  }
  const head = side => [side, 'runs each', name, peer, 'difference', 'solved']
  const groups = dimensions.flatMap(d => {
    const inDimension = pairs.filter(pair => pair.ours.d === d)
    const member = (numbers, pair) => numbers.includes(Number(pair.ours.problem.slice(1)))
    return [
      ...Object.entries(GROUPS).flatMap(([group, numbers]) =>
        row(
          `${group}, d = ${d}`,
          inDimension.filter(pair => member(numbers, pair)),
        ),
      ),
      ...row(`all, d = ${d}`, inDimension),
    ]
  })
  const functions = Object.values(GROUPS)
    .flat()
    .flatMap(f =>
      dimensions.flatMap(d =>
        row(
          `f${f}, d = ${d}`,
          pairs.filter(pair => pair.ours.problem === `f${f}` && pair.ours.d === d),
        ),
      ),
    )
  return [
    `**${name} beside ${peer}**: area under the runtime profile (1: every target at once, 0: no target within 1e4 d evaluations), runs that reach 1e-8`,
    '',
    table(head('group'), groups),
    '',
    table(head('function'), functions),
  ].join('\n')
}
