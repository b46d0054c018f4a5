import type { FrontFacts } from './front-facts.ts'
import { printable } from './plain-text.ts'
import type { SplitScores } from './split-scores.ts'

/**
 * The front as CSV (RFC 4180, lines end in \n): a row per candidate; columns `id`, `winner`, the objectives on each split that was scored, then
 * `gene:<name>`.
 */
export function frontCsv(facts: FrontFacts): string {
  const { objectives, geneNames, front } = facts
  const splits = (['search', 'select', 'holdout'] as const).filter(
    split => split === 'search' || front.some(candidate => candidate.scores[split] !== undefined),
  )
  const header = [
    'id',
    'winner',
    ...splits.flatMap(split => objectives.map(({ name }) => (split === 'search' ? name : `${split}:${name}`))),
    ...geneNames.map(name => `gene:${name}`),
  ]
  const rows = front.map(({ id, genome, scores }) => [
    `${id}`,
    id === facts.winner?.candidate.id ? 'yes' : '',
    ...splits.flatMap(split => objectives.map((_, i) => cellOf(scores[split], i))),
    ...geneNames.map((_, g) => `${genome[g] ?? ''}`),
  ])
  return `${[header.map(csvText), ...rows].map(row => row.join(',')).join('\n')}\n`
}

function cellOf(scores: SplitScores | undefined, i: number): string {
  return scores?.status === 'scored' ? `${scores.values[i]}` : ''
}

/**
 * A cell of foreign text. A spreadsheet runs a cell that starts with = + - @ (or a tab or return before it) as a formula: an apostrophe in
 * front makes it text. Numbers are written by us and stay as they are.
 */
export function csvText(text: string): string {
  const clean = printable(text, Infinity)
  const harmless = /^[\s\u{fffd}]*[=+\-@＝＋－＠]/u.test(clean) ? `'${clean}` : clean
  return /[",\s\u{fffd}']/u.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}
