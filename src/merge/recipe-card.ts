import { basename } from 'node:path'
import type { Recipe } from '../space/recipe.ts'
import { formatRecipeFile } from '../space/recipe-file.ts'
import type { NamedCheckpoint } from './inspect.ts'
import { describeNonFinite, type NonFinite } from './non-finite.ts'
import { findOperator } from './operators/registry.ts'

/** Source id → name of each of its files → SHA-256, hexadecimal. */
export type SourceDigests = ReadonlyMap<string, Readonly<Record<string, string>>>

export interface CardSource extends NamedCheckpoint {
  /** Path of its statistics, where it has some. */
  readonly statistics?: string | undefined
}

/**
 * README.md of a merged model: what it was made of, with the SHA-256 of every file, and the recipe that makes the same weights again. Markdown
 * with the front matter that model hubs read. Names of folders stay private: of a source's path only the end is told.
 */
export function recipeCard(
  recipe: Recipe,
  sources: readonly CardSource[],
  digests: SourceDigests,
  name: string,
  nonFinite: readonly NonFinite[],
): string {
  const operator = findOperator(recipe.method)
  const nameOf = ({ checkpoint }: NamedCheckpoint) => basename(checkpoint.path)
  const models = Object.fromEntries(
    sources.map(source => {
      const sha256 = digests.get(source.id)
      const statistics = source.statistics && basename(source.statistics)
      return [
        source.id,
        { path: nameOf(source), ...(statistics && { statistics }), ...(sha256 === undefined ? {} : { sha256 }) },
      ]
    }),
  )
  const rows = sources.flatMap(({ id }) =>
    Object.entries(digests.get(id) ?? {}).map(
      ([file, sha256]) => `| ${tableCell(id)} | ${tableCell(basename(file))} | \`${sha256}\` |`,
    ),
  )
  const lines = [
    '---',
    'library_name: transformers',
    'tags:',
    '- merge',
    'base_model:',
    ...sources.map(source => `- ${JSON.stringify(nameOf(source))}`),
    '---',
    `# ${tableCell(name)}`,
    '',
    `A merge of ${sources.length} ${sources.length === 1 ? 'model' : 'models'} by ${operator.title} ([${operator.reference.text}](${operator.reference.url})), made with Amalgam.`,
    '',
    '| model | file | SHA-256 |',
    '|---|---|---|',
    ...rows,
    '',
    ...nonFinite.map(found => `Not everything in it is a number: ${describeNonFinite(found)}.\n`),
    'The recipe, which makes the same weights again from these files:',
    '',
    '```yaml',
    formatRecipeFile({ format: 1, models, recipe }).trimEnd(),
    '```',
    '',
  ]
  return lines.join('\n')
}

/** Text that neither ends a table cell nor starts markup: names come from whoever made the model. */
export function tableCell(text: string): string {
  return text.replace(/[\p{Cc}]/gu, ' ').replace(/[\\`*_{}[\]<>()#|!~]/g, '\\$&')
}
