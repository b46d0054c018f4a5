import { ConfigError, EvaluatorError, show } from '../../../errors.ts'
import type { OnnxValue } from '../../../formats/onnx.ts'
import { byteTokenizer, readTokenizer, type Tokenizer } from '../../data/tokenizer.ts'
import type { InputDtype, TaskContext } from '../tasks/task.ts'
import type { TextOptions } from './text-options.ts'

/** What a graph input of a causal language model holds, by its name as the usual exporters write it. */
const ROLES: ReadonlyMap<string, TokenRole> = new Map([
  ['input_ids', 'ids'],
  ['attention_mask', 'mask'],
  ['position_ids', 'positions'],
])
export type TokenRole = 'ids' | 'mask' | 'positions'

/** Keys or values of one layer for the tokens so far, shape [rows, heads, tokens, width]: an input, and the output that extends it. */
export interface CacheSlot {
  readonly past: string
  readonly present: string
  readonly heads: number
  readonly width: number
}

/** A causal language model: token ids [rows, length] in, logits [rows, length, vocabulary] out. */
export interface LanguageGraph {
  readonly inputs: readonly { readonly name: string; readonly dtype: InputDtype; readonly role: TokenRole }[]
  /** Empty where the graph has no key-value cache. */
  readonly cache: readonly CacheSlot[]
  readonly logits: string
  readonly vocabulary: number
  readonly maxLength: number
  /** Length of every input where the graph fixes it. */
  readonly fixedLength: number | undefined
  readonly tokenizer: Tokenizer
  /** What stands before a text that has nothing before it. */
  readonly prefixToken: number
}

/** @throws {ConfigError | EvaluatorError} when the graph is no language model that can be scored, or an option is missing */
export async function planLanguageGraph(
  own: TextOptions | undefined,
  output: string | undefined,
  context: TaskContext,
): Promise<LanguageGraph> {
  const { where, files } = context
  const text: TextOptions = { ...context.text, ...own }
  const logits = logitsOutput(output ?? context.output, context)
  const isPast = ({ name }: OnnxValue): boolean => name.startsWith(PAST)
  const cache = context.inputs.filter(isPast).map(input => cacheSlot(input, context))
  const inputs = context.inputs.filter(input => !isPast(input)).map(input => tokenInput(input, context))
  if (!inputs.some(({ role }) => role === 'ids'))
    throw new EvaluatorError(`${where}: ${context.graph} has no input "input_ids" for the tokens.`)

  const { tokenizer: named } = text
  if (named === undefined)
    throw new ConfigError(`${where} needs a tokenizer.`, { hint: 'Set text.tokenizer: "bytes", or a tokenizer.json.' })
  const tokenizer =
    named === 'bytes'
      ? byteTokenizer
      : await readTokenizer(files, named, text.add_special_tokens ?? false, `${where}: tokenizer`)
  const declared = logits.shape?.[2]
  const vocabulary = typeof declared === 'number' ? declared : text.vocabulary
  if (vocabulary === undefined)
    throw new ConfigError(`${where}: the graph does not fix how many tokens ${show(logits.name)} has.`, {
      hint: 'Set text.vocabulary.',
    })
  if (text.vocabulary !== undefined && text.vocabulary !== vocabulary)
    throw new ConfigError(
      `${where}: text.vocabulary is ${text.vocabulary}, but graph output ${show(logits.name)} has ${vocabulary}.`,
    )
  const { prefix_token: prefixToken } = text
  if (prefixToken === undefined || prefixToken >= vocabulary)
    throw new ConfigError(
      prefixToken === undefined
        ? `${where} needs text.prefix_token, the token that stands before a text.`
        : `${where}: text.prefix_token is ${prefixToken}; the graph knows the tokens 0 to ${vocabulary - 1}.`,
      { hint: 'It is the id of the model’s BOS token, or of EOS where it has none.' },
    )

  const ids = context.inputs.find(({ name }) => ROLES.get(name) === 'ids')!
  const length = ids.shape?.[1]
  const fixedLength = typeof length === 'number' ? length : undefined
  const maxLength = text.max_length ?? fixedLength
  if (maxLength === undefined || (fixedLength !== undefined && maxLength > fixedLength))
    throw new ConfigError(
      maxLength === undefined
        ? `${where} needs text.max_length, the number of tokens the model takes at once.`
        : `${where}: text.max_length is ${maxLength}, but the graph takes ${fixedLength} tokens.`,
    )
  return { inputs, cache, logits: logits.name, vocabulary, maxLength, fixedLength, tokenizer, prefixToken }
}

function logitsOutput(name: string, { where, graph, outputs }: TaskContext): OnnxValue {
  const output = outputs.find(value => value.name === name)
  if (output === undefined)
    throw new ConfigError(
      `${where}: ${graph} has no output ${show(name)}; it has ${show(outputs.map(value => value.name).join(', '), 120)}.`,
      { hint: 'Name the output with the logits under "output".' },
    )
  if (output.shape !== undefined && output.shape.length !== 3)
    throw new EvaluatorError(
      `${where}: graph output ${show(name)} must have shape [batch, length, vocabulary]; it has ${output.shape.length} dimensions.`,
    )
  return output
}

const PAST = 'past_key_values.'
const PRESENT = 'present.'

/** As Optimum exports them: `past_key_values.0.key` and `present.0.key`. */
function cacheSlot({ name, dtype, shape }: OnnxValue, { where, graph, outputs }: TaskContext): CacheSlot {
  const present = PRESENT + name.slice(PAST.length)
  if (!outputs.some(output => output.name === present))
    throw new EvaluatorError(`${where}: ${graph} has the input ${show(name)} and no output ${show(present)}.`)
  const [heads, tokens, width] = [shape?.[1], shape?.[2], shape?.[3]]
  if (shape?.length !== 4 || typeof heads !== 'number' || typeof tokens === 'number' || typeof width !== 'number')
    throw new EvaluatorError(
      `${where}: graph input ${show(name)} must have shape [batch, heads, tokens so far, width], the second and the last fixed and the third free; it has [${(shape ?? []).map(dim => dim ?? '?').join(', ')}].`,
    )
  if (dtype !== 'float32')
    throw new EvaluatorError(`${where}: graph input ${show(name)} is ${dtype ?? 'no tensor'}; float32 is required.`)
  return { past: name, present, heads, width }
}

function tokenInput({ name, dtype }: OnnxValue, { where, graph }: TaskContext): LanguageGraph['inputs'][number] {
  const role = ROLES.get(name)
  if (role === undefined)
    throw new EvaluatorError(
      `${where}: ${graph} has the input ${show(name)}, which no text fills; known are ${[...ROLES.keys(), `${PAST}*`].join(', ')}.`,
      { hint: 'Export the model for text generation, with or without a key-value cache in float32.' },
    )
  if (dtype !== 'int32' && dtype !== 'int64')
    throw new EvaluatorError(
      `${where}: graph input ${show(name)} is ${dtype ?? 'no tensor'}; int32 or int64 is required.`,
    )
  return { name, dtype, role }
}

/** Token ids of a text. @throws {ConfigError} when one is not in the graph's vocabulary */
export function encodeText({ tokenizer, vocabulary }: LanguageGraph, text: string, where: string): readonly number[] {
  const ids = tokenizer.encode(text)
  const outside = ids.find(id => id >= vocabulary)
  if (outside !== undefined)
    throw new ConfigError(
      `${where}: the tokenizer gives token ${outside}, but the graph knows 0 to ${vocabulary - 1}.`,
      {
        hint: 'The tokenizer belongs to another model.',
      },
    )
  return ids
}
