import { basename, dirname, join } from 'node:path'
import type { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import { FormatError } from '../../errors.ts'
import type { InputFiles } from './files.ts'

/** Text ⇄ token ids. */
export interface Tokenizer {
  /** Ids of a text, without special tokens unless the tokenizer is told to add them. */
  encode(text: string): readonly number[]
  decode(ids: readonly number[]): string
  /** Ids are 0 .. size - 1. */
  readonly size: number
}

/** Ids are the bytes of the text's UTF-8; 256 and above are free for special tokens. */
export const byteTokenizer: Tokenizer = {
  encode: text => Array.from(new TextEncoder().encode(text)),
  decode: ids => new TextDecoder().decode(Uint8Array.from(ids.filter(id => id < 256))),
  size: 256,
}

/**
 * Reads Hugging Face's `tokenizer.json`; a `tokenizer_config.json` beside it is read too, if there is one.
 * @param addSpecialTokens whether the file's template (BOS, ...) is applied, lm-evaluation-harness's `add_bos_token`
 * @throws {FormatError} on a file that is no tokenizer, or one that the library cannot run
 */
export async function readTokenizer(
  files: InputFiles,
  path: string,
  addSpecialTokens: boolean,
  role: string,
): Promise<Tokenizer> {
  const definition = parseJson(await files.read(path, role), path)
  const configPath = join(dirname(path), 'tokenizer_config.json')
  const config =
    basename(path) === 'tokenizer.json' && (await files.exists(configPath))
      ? parseJson(await files.read(configPath, role), configPath)
      : {}
  const library = await import('@huggingface/tokenizers')
  let tokenizer: HuggingFaceTokenizer
  try {
    tokenizer = new library.Tokenizer(definition, config)
    tokenizer.encode('a')
  } catch (cause) {
    throw new FormatError(
      `${role} ${path} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}.`,
      { hint: 'A tokenizer.json as the Hugging Face tokenizers library writes it is required.', cause },
    )
  }
  let size = 0
  for (const id of tokenizer.get_vocab(true).values()) size = Math.max(size, id + 1)
  return {
    encode: text =>
      text === '' && !addSpecialTokens ? [] : tokenizer.encode(text, { add_special_tokens: addSpecialTokens }).ids,
    // A graph may know more ids than the tokenizer: embeddings are padded to a round number.
    decode: ids => {
      const known = ids.filter(id => id < size)
      return known.length === 0 ? '' : tokenizer.decode(known, { skip_special_tokens: true })
    },
    size,
  }
}

function parseJson(bytes: Uint8Array, path: string): object {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new FormatError(`${path} is no JSON: ${cause instanceof Error ? cause.message : String(cause)}.`, { cause })
  }
  if (typeof value !== 'object' || value === null) throw new FormatError(`${path}: a JSON object is required.`)
  return value
}
