import { type Ancestor, type CandidateFacts, coefficientTable } from './candidate-facts.ts'
import type { RunFacts } from './facts.ts'
import { formatNumber, numberFormat } from './format.ts'
import { printable, wrap } from './plain-text.ts'
import { type Column, formatTable, unpainted } from './table.ts'
import { objectiveColumn, type TextOptions, tableOptions, valuesOf, withInterval } from './text-parts.ts'

type Context = Pick<RunFacts, 'run' | 'objectives' | 'geneNames'>

/** Ancestors shown: parents and theirs, in most strategies. */
const SHOWN_ANCESTORS = 12

/** `amalgam show <run> <candidate>`: scores, recipe, where it came from. */
export function renderCandidate(
  facts: Context,
  candidate: CandidateFacts,
  ancestors: readonly Ancestor[],
  options: TextOptions,
): string {
  const paint = options.paint ?? unpainted
  return [
    paint('bold', printable(`Candidate ${candidate.id} of ${facts.run}`, options.width)),
    '',
    ...scores(facts, candidate, options),
    '',
    ...coefficients(facts, candidate, options),
    '',
    ...lineage(facts, candidate, ancestors, options),
  ].join('\n')
}

function scores(facts: Context, candidate: CandidateFacts, options: TextOptions): string[] {
  const splits = (['search', 'select', 'holdout'] as const).filter(split => candidate.scores[split] !== undefined)
  if (splits.length === 0) return ['Its evaluation is outstanding.']
  const failures = splits.flatMap(split => {
    const result = candidate.scores[split]
    if (result?.status !== 'failed') return []
    return wrap(`Failed on the ${split} split (${result.kind}): ${printable(result.reason, 400)}`, options.width)
  })
  const scored = splits.filter(split => candidate.scores[split]?.status === 'scored')
  if (scored.length === 0) return failures
  const rows = facts.objectives.map((objective, i) => {
    const format = numberFormat(scored.flatMap(split => valuesOf(candidate.scores[split], i)))
    const cells = scored.map(split => {
      const result = candidate.scores[split]
      const interval = result?.status === 'scored' ? result.intervals[i] : undefined
      return withInterval(valuesOf(result, i)[0], interval, format, options)
    })
    return [objectiveColumn(objective, 'left', options).header, ...cells]
  })
  const columns: Column[] = [
    { header: '', align: 'left' },
    ...scored.map((header): Column => ({ header, align: 'left' })),
  ]
  return [formatTable(columns, rows, tableOptions(options)), ...failures]
}

/** Layer groups × sources; the bare genes where the recipe is not known. */
function coefficients(facts: Context, candidate: CandidateFacts, options: TextOptions): string[] {
  if (candidate.recipe === undefined) {
    const rows = facts.geneNames.map((name, g) => [printable(name), formatNumber(candidate.genome[g] ?? 0)])
    const columns: Column[] = [
      { header: 'gene', align: 'left' },
      { header: 'value', align: 'right' },
    ]
    return [formatTable(columns, rows, tableOptions(options))]
  }
  const table = coefficientTable(candidate.recipe)
  const format = numberFormat(table.rows.flatMap(row => row.values.filter(value => value !== undefined)))
  const oneParameter = new Set(table.columns.map(column => column.parameter)).size === 1
  const columns: Column[] = [
    { header: 'tensors', align: 'left' },
    ...table.settings.map((name): Column => ({ header: printable(name, 40), align: 'left' })),
    ...table.columns.map(
      ({ source, parameter }): Column => ({
        header: printable(oneParameter ? source : `${source}/${parameter}`, 40),
        align: 'right',
      }),
    ),
  ]
  const rows = table.rows.map(row => [
    printable(options.ascii ? row.label.replace('–', '-') : row.label),
    ...row.settings.map(value => (typeof value === 'number' ? formatNumber(value) : printable(`${value ?? ''}`, 40))),
    ...row.values.map(value => (value === undefined ? '' : format(value))),
  ])
  const what = [
    `${table.method}${table.base === undefined ? '' : ` on ${table.base}`}`,
    ...(oneParameter ? [table.columns[0]!.parameter] : []),
    ...Object.entries(table.parameters).map(([name, value]) => `${name} = ${value}`),
  ].join(', ')
  return [
    ...wrap(`Recipe: ${printable(what, 400)}`, options.width),
    '',
    formatTable(columns, rows, tableOptions(options)),
  ]
}

function lineage(
  facts: Context,
  candidate: CandidateFacts,
  ancestors: readonly Ancestor[],
  options: TextOptions,
): string[] {
  if (candidate.parents.length === 0) return wrap('It has no parents: it was sampled, not bred.', options.width)
  const shown = ancestors.slice(0, SHOWN_ANCESTORS)
  const formats = facts.objectives.map((_, i) => numberFormat(shown.flatMap(a => valuesOf(a.search, i))))
  const columns: Column[] = [
    { header: 'ancestor', align: 'right' },
    { header: 'generations back', align: 'right' },
    { header: 'parents', align: 'left' },
    ...facts.objectives.map(objective => objectiveColumn(objective, 'right', options)),
  ]
  const rows = shown.map(({ id, generation, parents, search }) => [
    `${id}`,
    `${generation}`,
    parents.join(' '),
    ...facts.objectives.map(
      (_, i) => valuesOf(search, i).map(formats[i]!)[0] ?? (search === undefined ? '' : 'failed'),
    ),
  ])
  const more = ancestors.length > shown.length ? ['', 'Older ancestors are not shown.'] : []
  return [
    ...wrap(`Parents: ${candidate.parents.join(', ')}`, options.width),
    '',
    formatTable(columns, rows, tableOptions(options)),
    ...more,
  ]
}
