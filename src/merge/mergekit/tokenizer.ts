import { ConfigError, FormatError, show } from '../../errors.ts'

/** Vocabularies of tokenizers: rows of embeddings mean tokens, so models that are merged must agree in them. Pure. */

/** Token → row. */
export type Vocabulary = ReadonlyMap<string, number>

/**
 * @param json of `tokenizer.json`
 * @returns undefined where it has no vocabulary of a known kind
 * @throws {FormatError} on what is no JSON object
 */
export function parseVocabulary(json: string, file: string): Vocabulary | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(json)
  } catch (cause) {
    throw new FormatError(`${file} is not valid JSON.`, { cause })
  }
  if (typeof parsed !== 'object' || parsed === null) throw new FormatError(`${file} must be a JSON object.`)
  const { model, added_tokens: added } = parsed as Readonly<Record<string, unknown>> // an object was checked
  const listed = typeof model === 'object' && model !== null && 'vocab' in model ? model.vocab : undefined
  const tokens = new Map<string, number>()
  if (Array.isArray(listed)) {
    for (const [row, entry] of listed.entries()) if (Array.isArray(entry)) tokens.set(String(entry[0]), row)
  } else if (typeof listed === 'object' && listed !== null) {
    for (const [token, row] of Object.entries(listed)) tokens.set(token, Number(row))
  } else return undefined
  for (const entry of Array.isArray(added) ? added : []) {
    if (typeof entry === 'object' && entry !== null && 'content' in entry && 'id' in entry) {
      tokens.set(String(entry.content), Number(entry.id))
    }
  }
  return tokens
}

/**
 * That every model has the tokens of the tokenizer that is written, in the same rows.
 * @throws {ConfigError} naming the first token that differs
 */
export function requireSameVocabulary(
  donor: { readonly name: string; readonly vocabulary: Vocabulary },
  other: { readonly name: string; readonly vocabulary: Vocabulary },
): void {
  const differing = firstDifference(donor.vocabulary, other.vocabulary)
  if (differing === undefined) return
  const [token, a, b] = differing
  const row = (at: number | undefined) => (at === undefined ? 'no row' : `row ${at}`)
  throw new ConfigError(
    `The token ${show(token)} has ${row(a)} in ${show(donor.name)} and ${row(b)} in ${show(other.name)}: their embeddings cannot be merged row by row.`,
    { hint: 'Bring the models to one tokenizer first, or drop tokenizer_source to merge the rows as they are.' },
  )
}

function firstDifference(a: Vocabulary, b: Vocabulary): [string, number | undefined, number | undefined] | undefined {
  for (const [token, row] of a) if (b.get(token) !== row) return [token, row, b.get(token)]
  for (const [token, row] of b) if (!a.has(token)) return [token, undefined, row]
  return undefined
}
