import type { MergeOperator, OperatorParameter, StatisticKind } from './operator.ts'

const COSTS: Readonly<Record<MergeOperator['cost'], string>> = {
  linear: 'a weighted sum of prepared tensors',
  gram: 'a weighted sum, its weights from inner products prepared once',
  pass: 'one pass with comparisons',
  prepared: 'a weighted sum; some parameters change what is prepared',
}

const NEEDS: Readonly<Record<StatisticKind, string>> = {
  fisher: 'Needs a file with the Fisher information of every model: see [statistics](statistics.md).',
  'input-gram':
    "Needs a file with the Gram matrices of the layers' inputs of every model: see [statistics](statistics.md).",
}

/** `docs/merge-methods.md`: what every operator says of itself. `scripts/make-method-table.mjs` writes it. */
export function methodTable(operators: Iterable<MergeOperator>): string {
  const all = [...operators]
  return `# Merge methods

Written by \`node scripts/make-method-table.mjs\` from what the operators in \`src/merge/operators\` say of themselves: change them there.

Coefficients are per model and layer group: keys of \`genome:\` in a search space. Parameters are per layer group, or one for the whole
model where \`model-wide\` is said: \`genome.parameters\`. Each is held (a number, word, true, false) or searched (\`{min, max}\`,
\`{choices: [...]}\`); weights and densities are searched where nothing is said, and what has no default must be given or is searched.
The range is what is worth trying, not a limit; limits are in brackets. Methods with random masks have a parameter \`seed\`.

| method | | base | models | source |
|---|---|---|---|---|
${all.map(row).join('\n')}

${all.map(section).join('\n\n')}
`
}

function row({ name, title, base, models, reference }: MergeOperator): string {
  return `| [\`${name}\`](#${name}) | ${title} | ${base} | ${count(models)} | [${reference.text}](${reference.url}) |`
}

function count([least, most]: MergeOperator['models']): string {
  return least === most ? `${least}` : most === Number.POSITIVE_INFINITY ? `${least} or more` : `${least} to ${most}`
}

function section(operator: MergeOperator): string {
  const { name, title, parameters, coefficients, cost, span, random, needs } = operator
  const facts = [
    `At best, a candidate is ${COSTS[cost]}.`,
    ...(span === 'model' ? ['Its definition spans the whole model: parameters are model-wide.'] : []),
    ...(random ? ['Draws random masks.'] : []),
    ...(needs === undefined ? [] : [NEEDS[needs]]),
  ]
  const rows = [
    ...coefficients.map(coefficient => settingRow(coefficient, 'coefficient')),
    ...parameters.map(parameter => settingRow(parameter, 'parameter')),
  ]
  const table = rows.length === 0 ? [] : ['', '| name | | default | range | |', '|---|---|---|---|---|', ...rows]
  return [`## ${name}`, '', `${title}. ${facts.join(' ')}`, ...table].join('\n')
}

function settingRow(setting: OperatorParameter, what: 'coefficient' | 'parameter'): string {
  const fallback = setting.default === undefined ? 'none' : `${setting.default}`
  return `| \`${setting.name}\` | ${what} | ${fallback} | ${rangeOf(setting)} | ${setting.description} |`
}

function rangeOf(setting: OperatorParameter): string {
  if (setting.kind === 'boolean') return 'true, false'
  if (setting.kind === 'choice') return setting.choices.join(', ')
  const { searchRange, bounds, integer } = setting
  const limits = bounds && ` [${bounds[0]}, ${bounds[1] >= Number.MAX_VALUE ? '∞' : bounds[1]}]`
  return `${searchRange.join(' to ')}${limits ?? ''}${integer ? ', whole' : ''}`
}
