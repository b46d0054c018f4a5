// Table and plot of bench/search/merges.mjs: node bench/search/merges-table.mjs
import { readLines } from './lib/lines.mjs'
import { bootstrapInterval, mean } from './lib/statistics.mjs'
import { writePlot } from './lib/svg.mjs'
import { table } from './lib/table.mjs'

const BUDGETS = [50, 100, 300]
/** What is read off a run, and how it is called. */
const MEASURES = {
  worst: 'worst accuracy on holdout',
  mean: 'mean accuracy on holdout',
  hypervolume: 'hypervolume on search',
}

const solvers = [...readLines('merges')]
const problems = [...new Set(solvers.flatMap(([, runs]) => runs.map(run => run.problem)))].sort()

const valuesOf = (runs, problem, budget, measure) =>
  runs.filter(run => run.problem === problem && run.budget === budget).map(run => run[measure])

/** Mean and 95 % bootstrap interval. */
function cell(values) {
  if (values.length === 0) return '—'
  const [low, high] = bootstrapInterval(values)
  return `${mean(values).toFixed(3)} (${low.toFixed(3)}–${high.toFixed(3)})`
}

for (const problem of problems) {
  const pooled = problem.endsWith('pooled')
  const measures = pooled ? ['mean'] : Object.keys(MEASURES)
  for (const measure of measures) {
    const rows = solvers
      .map(([name, runs]) => ({ name, by: BUDGETS.map(budget => valuesOf(runs, problem, budget, measure)) }))
      .filter(({ by }) => by.some(values => values.length > 0))
      .sort((a, b) => mean(b.by.at(-1)) - mean(a.by.at(-1)) || mean(b.by[1]) - mean(a.by[1]))
      .map(({ name, by }) => [name, ...by.map(cell), Math.max(...by.map(values => values.length))])
    console.log(`### ${problem}: ${MEASURES[measure]}\n`)
    console.log(`${table(['strategy', ...BUDGETS.map(b => `${b} evaluations`), 'seeds'], rows)}\n`)
  }
}

writePlot(
  'merges',
  problems.flatMap(problem =>
    ['mean', 'hypervolume'].map(measure => ({
      title: `${problem}: ${MEASURES[measure]}`,
      x: 'evaluations',
      y: 'mean over seeds',
      logX: true,
      series: solvers.map(([name, runs]) => ({
        name,
        points: BUDGETS.flatMap(budget => {
          const values = valuesOf(runs, problem, budget, measure)
          return values.length === 0 ? [] : [[budget, mean(values)]]
        }),
      })),
    })),
  ),
  2,
)
