import { basename } from 'node:path'
import { describeNonFinite, type NonFinite } from '../non-finite.ts'
import { findOperator } from '../operators/registry.ts'
import { tableCell } from '../recipe-card.ts'
import type { MergekitConfig } from './schema.ts'

/** README.md of a merged model: what it was made of and how to make it again. Markdown with the front matter that model hubs read. */
export function modelCard({
  config,
  text,
  seed,
  models,
  digests,
  name,
  nonFinite,
}: {
  readonly config: MergekitConfig
  readonly text: string
  /** Of random masks, where the text does not tell it. */
  readonly seed: number | undefined
  readonly models: readonly string[]
  /** Model → name of each of its files → SHA-256, hexadecimal. */
  readonly digests: ReadonlyMap<string, ReadonlyMap<string, string>> | undefined
  readonly name: string
  /** NaN and infinities among the weights. */
  readonly nonFinite: readonly NonFinite[]
}): string {
  const operator = findOperator(config.merge_method)
  const seeded = operator.random && seed !== undefined ? ` with \`--seed ${seed}\`` : ''
  const lines = [
    '---',
    'library_name: transformers',
    'tags:',
    '- merge',
    'base_model:',
    ...models.map(model => `- ${JSON.stringify(model)}`),
    '---',
    `# ${name}`,
    '',
    `A merge of ${models.length} models by ${operator.title} ([${operator.reference.text}](${operator.reference.url})), made with Amalgam.`,
    '',
    ...(config.base_model === undefined ? [] : [`Base: \`${basename(config.base_model)}\`.`, '']),
    ...(digests === undefined ? [] : [...fileTable(digests), '']),
    ...nonFinite.map(found => `Not everything in it is a number: ${describeNonFinite(found)}.\n`),
    `The configuration, which makes the same weights again${seeded}:`,
    '',
    '```yaml',
    text.trimEnd(),
    '```',
    '',
  ]
  return lines.join('\n')
}

function fileTable(digests: ReadonlyMap<string, ReadonlyMap<string, string>>): string[] {
  const rows = [...digests].flatMap(([model, files]) =>
    [...files].map(([file, sha256]) => `| ${tableCell(basename(model))} | ${tableCell(file)} | \`${sha256}\` |`),
  )
  return ['| model | file | SHA-256 |', '|---|---|---|', ...rows]
}
