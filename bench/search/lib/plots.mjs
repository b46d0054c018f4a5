// The plots of bench/search/tables.mjs.
import { GROUPS } from './bbob.mjs'
import { BO_PROBLEMS } from './bo-problems.mjs'
import { FRONT_VOLUMES } from './fronts.mjs'
import { readLines } from './lines.mjs'
import { median } from './statistics.mjs'
import { writePlot } from './svg.mjs'
import { longest } from './tables-bo.mjs'

/** Share of (run, target) pairs solved by evaluations / d, per group of functions, one file a dimension. */
export function plotBbob() {
  const solvers = [...readLines('bbob')]
  const dimensions = [...new Set(solvers.flatMap(([, runs]) => runs.map(run => run.d)))].sort((a, b) => a - b)
  for (const d of dimensions) {
    const groups = [...Object.entries(GROUPS), ['all', Object.values(GROUPS).flat()]]
    const panels = groups.map(([title, numbers]) => ({
      title: `${title}, d = ${d}`,
      x: 'evaluations / d',
      y: 'share of targets hit',
      logX: true,
      range: [0, 1],
      series: onCommonRuns(solvers, d, numbers).map(([name, chosen]) => ({ name, points: profile(chosen) })),
    }))
    writePlot(`bbob-${d}`, panels)
  }
}

/** Runs of a group by every solver that has run all its functions, on the instances that all of these have. */
function onCommonRuns(solvers, d, numbers) {
  const key = run => `${run.problem} ${run.instance}`
  const inGroup = solvers
    .map(([name, runs]) => [name, runs.filter(run => run.d === d && numbers.includes(Number(run.problem.slice(1))))])
    .filter(([, runs]) => new Set(runs.map(run => run.problem)).size === numbers.length)
  const instances = inGroup.map(([, runs]) => new Set(runs.map(key)))
  const common = run => instances.every(seen => seen.has(key(run)))
  return inGroup.map(([name, runs]) => [name, runs.filter(common)])
}

function profile(runs) {
  const hits = runs.flatMap(run => run.hits.map(hit => (hit === null ? Number.POSITIVE_INFINITY : hit / run.d)))
  const sorted = hits.sort((a, b) => a - b)
  const points = []
  for (let exponent = 0; exponent <= 4.001; exponent += 0.05) {
    const x = 10 ** exponent
    let count = 0
    while (count < sorted.length && sorted[count] <= x) count++
    points.push([x, count / sorted.length])
  }
  return points
}

/** Median regret by evaluations. */
export function plotBo() {
  const solvers = [...readLines('bo')].map(([name, runs]) => [name, longest(runs)])
  const panels = Object.keys(BO_PROBLEMS).map(problem => ({
    title: problem,
    x: 'evaluations',
    y: 'median regret',
    logY: true,
    series: solvers.flatMap(([name, runs]) => {
      const chosen = runs.filter(run => run.problem === problem)
      return chosen.length === 0 ? [] : [{ name, points: medianTrace(chosen) }]
    }),
  }))
  writePlot('bo', panels)
}

function medianTrace(runs) {
  const budget = Math.min(...runs.map(run => run.evaluations))
  const points = []
  for (let n = 5; n <= budget; n += 5) {
    const values = runs.map(run => run.trace.findLast(([evaluation]) => evaluation <= n)[1])
    points.push([n, Math.max(1e-9, median(values))])
  }
  return points
}

/** Median distance to the hypervolume of the true front, relative. */
export function plotMo() {
  const solvers = [...readLines('mo')]
  const panels = Object.entries(FRONT_VOLUMES).map(([problem, volume]) => {
    const truth = volume()
    return {
      title: problem,
      x: 'evaluations',
      y: '1 − volume / true volume',
      logX: true,
      logY: true,
      series: solvers.flatMap(([name, runs]) => {
        const chosen = runs.filter(run => run.problem === problem)
        if (chosen.length === 0) return []
        const points = [5_000, 10_000, 25_000].map(n => [n, 1 - median(chosen.map(run => run.hv[n])) / truth])
        return [{ name, points: points.map(([n, gap]) => [n, Math.max(1e-6, gap)]) }]
      }),
    }
  })
  writePlot('mo', panels)
}

/** Evaluations to 1e-8 divided by d, medians. */
export function plotCma() {
  const solvers = [...readLines('cma')]
  const problems = [...new Set(solvers.flatMap(([, runs]) => runs.map(run => run.problem)))]
  const panels = problems.map(problem => ({
    title: problem,
    x: 'd',
    y: 'evaluations to 1e-8',
    logX: true,
    logY: true,
    series: solvers.map(([name, runs]) => ({
      name,
      points: [5, 10, 20, 40].flatMap(d => {
        const hits = runs.filter(run => run.problem === problem && run.d === d).flatMap(run => run.hit ?? [])
        return hits.length === 0 ? [] : [[d, median(hits)]]
      }),
    })),
  }))
  writePlot('cma', panels)
}
