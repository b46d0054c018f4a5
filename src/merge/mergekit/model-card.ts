import { basename } from 'node:path'
import { findOperator } from '../operators/registry.ts'
import type { MergekitConfig } from './schema.ts'

/** README.md of a merged model: what it was made of and how to make it again. Markdown with the front matter that model hubs read. */
export function modelCard({
  config,
  text,
  models,
  name,
}: {
  readonly config: MergekitConfig
  readonly text: string
  readonly models: readonly string[]
  readonly name: string
}): string {
  const operator = findOperator(config.merge_method)
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
    'The configuration, which makes the same weights again:',
    '',
    '```yaml',
    text.trimEnd(),
    '```',
    '',
  ]
  return lines.join('\n')
}
