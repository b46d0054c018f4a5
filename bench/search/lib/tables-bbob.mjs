// The tables of bench/search/bbob.mjs.
import { GROUPS } from './bbob.mjs'
import { readLines } from './lines.mjs'
import { mean, runtimeArea } from './statistics.mjs'
import { table } from './table.mjs'

const PEER = 'pycma'

/**
 * Runs of both sides on the same functions, dimensions and instances.
 * @returns {{ name: string, pairs: { ours: any, theirs: any }[] }[]} by own solver
 */
export function bbobPairs() {
  const solvers = readLines('bbob')
  const key = run => `${run.problem} ${run.d} ${run.instance}`
  const theirs = new Map((solvers.get(PEER) ?? []).map(run => [key(run), run]))
  return [...solvers]
    .filter(([name]) => name !== PEER)
    .map(([name, runs]) => ({
      name,
      pairs: runs.flatMap(run => (theirs.has(key(run)) ? [{ ours: run, theirs: theirs.get(key(run)) }] : [])),
    }))
}

export function bbobTable() {
  return bbobPairs().map(tablesOf).join('\n\n')
}

function tablesOf({ name, pairs }) {
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
  const head = side => [side, 'runs each', name, PEER, 'difference', 'solved']
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
    `**${name}**: area under the runtime profile (1: every target at once, 0: no target within 1e4 d evaluations), runs that reach 1e-8`,
    '',
    table(head('group'), groups),
    '',
    table(head('function'), functions),
  ].join('\n')
}
