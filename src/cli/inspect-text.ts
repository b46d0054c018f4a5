import type { Inspection, ModelDifference } from '../merge/inspect-files.ts'
import type { PlaceFacts, VectorFacts } from '../merge/inspect-vectors.ts'

/** `amalgam inspect` as text. */

/** Names that are listed of each kind of difference. */
const LISTED = 5

export function renderInspection({ models, differences, obstacle, vectors, estimate }: Inspection): string {
  const lines: string[] = []
  for (const model of models) {
    const { layers } = model
    const dtypes = Object.entries(model.dtypes).map(([dtype, { tensors }]) => `${tensors} ${dtype}`)
    lines.push(
      `${model.id}: ${model.architecture ?? 'architecture not said'}, ${count(model.parameters)} parameters, ${size(model.bytes)}`,
      `  ${model.path}`,
      `  tensors  ${dtypes.join(', ')}${model.tied ? '; the output head is the embedding' : ''}`,
      layers.count === 0
        ? '  layers   none are numbered'
        : `  layers   ${layers.count}, ${layers.prefix}${layers.first} to ${layers.last}`,
      `  parts    ${model.parts.map(({ part, tensors, elements }) => `${part} ${tensors} tensors, ${count(elements)}`).join('; ')}`,
    )
    if (models.length === 1) {
      const largest = model.largest.map(({ name, shape, dtype }) => `${name} ${dtype} [${shape.join(', ')}]`)
      lines.push(`  largest  ${largest.join('\n           ')}`)
    }
    lines.push('')
  }
  for (const difference of differences) lines.push(...renderDifference(difference))
  if (models.length > 1) {
    lines.push(
      obstacle === undefined
        ? 'These models can be merged: they have the same tensors.'
        : `These models cannot be merged. ${obstacle.message}`,
      ...(obstacle?.hint === undefined ? [] : [`  ${obstacle.hint}`]),
      '',
    )
  }
  if (vectors !== undefined) lines.push(...renderVectors(vectors), '')
  if (estimate !== undefined) {
    lines.push(
      `A search holds ${size(estimate.sharedBytes)} of weights in memory, and ${size(estimate.bytesPerWorker)} for each of ${estimate.workers} workers;`,
      `methods that thin task vectors keep tables beside them: ${size(estimate.prepared.byMagnitude)} by magnitude (ties, breadcrumbs), ${size(estimate.prepared.byChance)} by chance (dare),`,
      `${size(estimate.prepared.byRowRank)} by rank in a row (della), ${size(estimate.prepared.fisherPerModel)} of Fisher information for each model that has a file of it (fisher);`,
      `no method keeps more than ${size(estimate.prepared.limit)};`,
      `a merged model takes ${size(estimate.diskBytes)} on disk. Merging a linear candidate takes about ${seconds(estimate.mergeSeconds)} a worker,`,
      `at ${size(estimate.bytesPerSecond)}/s of copying as measured now; evaluating it comes on top.`,
    )
  }
  return lines.join('\n').trimEnd()
}

function renderDifference({ ids: [a, b], onlyFirst, onlySecond, differing }: ModelDifference): string[] {
  if (onlyFirst.length + onlySecond.length + differing.length === 0) return []
  return [
    `${a} and ${b}:`,
    ...list(`only in ${a}`, onlyFirst),
    ...list(`only in ${b}`, onlySecond),
    ...list(
      'differ',
      differing.map(({ name, first, second }) => `${name} (${first}, ${second})`),
    ),
    '',
  ]
}

function list(title: string, names: readonly string[]): string[] {
  if (names.length === 0) return []
  const more = names.length > LISTED ? `, and ${names.length - LISTED} more` : ''
  return [`  ${title}: ${names.slice(0, LISTED).join(', ')}${more}`]
}

function renderVectors({ experts, places, whole }: VectorFacts): string[] {
  const width = Math.max(12, ...experts.map(name => name.length + 2))
  const row = ({ place, base, norms }: PlaceFacts) =>
    `${String(place).padEnd(6)} ${norms.map(norm => `${(base === 0 ? norm : norm / base).toExponential(2)}`.padStart(width)).join('')}`
  const pairs = whole.pairs.map(({ experts: [i, j] }) => `${experts[i]} and ${experts[j]}`)
  const widest = Math.max(8, ...pairs.map(name => name.length + 2))
  return [
    'Norm of the task vectors, as a part of the norm of the base:',
    `${'layer'.padEnd(6)} ${experts.map(name => name.padStart(width)).join('')}`,
    ...places.map(row),
    row(whole),
    `changed${experts.map((_, m) => `${(100 * whole.changed[m]!).toFixed(1)} %`.padStart(width)).join('')}`,
    ...(pairs.length === 0
      ? []
      : [
          '',
          'Task vectors two by two: cosine, and how often both changed an element in the same direction:',
          ...whole.pairs.map(
            ({ cosine, agreement }, p) =>
              `  ${pairs[p]!.padEnd(widest)}${(cosine?.toFixed(3) ?? 'none').padStart(7)}${(agreement === undefined ? 'none' : `${(100 * agreement).toFixed(1)} %`).padStart(9)}`,
          ),
        ]),
  ]
}

const UNITS = ['', ' k', ' M', ' G', ' T']

function count(value: number): string {
  return scaled(value, UNITS)
}

function size(bytes: number): string {
  return `${scaled(bytes, [' ', ' k', ' M', ' G', ' T'])}B`
}

function scaled(value: number, units: readonly string[]): string {
  let [rest, unit] = [value, 0]
  while (rest >= 1000 && unit < units.length - 1) [rest, unit] = [rest / 1000, unit + 1]
  return `${unit === 0 ? rest : rest.toPrecision(3)}${units[unit]}`
}

function seconds(value: number): string {
  return value < 1 ? `${(1000 * value).toPrecision(2)} ms` : `${value.toPrecision(2)} s`
}
