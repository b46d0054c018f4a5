import { z } from 'zod'
import { FormatError, show } from '../errors.ts'

/**
 * Low-rank adapters in the layout of the PEFT library: `adapter_config.json` and `adapter_model.safetensors` with, for a module M,
 * `base_model.model.M.lora_A.weight` (r, in) and `base_model.model.M.lora_B.weight` (out, r), so that M.weight grows by
 * scale · B A. E. Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022, equation 3; scale = alpha / r, or alpha / √r
 * for rank-stabilized adapters (D. Kalajdzievski 2023).
 */

const pattern = z.record(z.string(), z.number()).nullish()
const configSchema = z.looseObject({
  peft_type: z.string().default('LORA'),
  r: z.int().min(1),
  lora_alpha: z.number(),
  use_rslora: z.boolean().nullish(),
  use_dora: z.boolean().nullish(),
  fan_in_fan_out: z.boolean().nullish(),
  rank_pattern: pattern,
  alpha_pattern: pattern,
  init_lora_weights: z.union([z.boolean(), z.string()]).nullish(),
  layer_replication: z.array(z.unknown()).nullish(),
  base_model_name_or_path: z.string().nullish(),
})

/** Starts that take something away from the weights of the model: their factors belong to a model that is not on disk. */
const SPLITTING_STARTS = /^(?:pissa|olora|loftq|corda)/i

export interface LoraConfig {
  readonly alpha: number
  readonly rankStabilized: boolean
  /** Weights of the modules are stored (in, out). */
  readonly transposed: boolean
  readonly rank: number
  /** Module name, or its end after a dot → what holds for it instead. */
  readonly rankPattern: ReadonlyMap<string, number>
  readonly alphaPattern: ReadonlyMap<string, number>
  /** The model it was trained on, as its maker named it. */
  readonly baseModel: string | undefined
}

/** What an adapter does to one tensor of its model, or that it replaces it. */
export type Adaptation = LowRank | { readonly kind: 'whole'; readonly tensor: string }

/** The tensor, of shape (out, ...in), grows by scale · B A, with A (rank, ...in) and B (out, rank, 1...); or by the transpose of that matrix. */
export interface LowRank {
  readonly kind: 'low-rank'
  readonly A: string
  readonly B: string
  readonly scale: number
  /** The tensor is stored (in, out): weights of some layers, and embeddings, which are looked up by row. */
  readonly transposed: boolean
}

/** @throws {FormatError} on what is no LoRA configuration, and on kinds of adapters whose effect is not a product of two matrices. */
export function parseLoraConfig(json: string, file: string): LoraConfig {
  let parsed: unknown
  try {
    parsed = JSON.parse(json)
  } catch (cause) {
    throw new FormatError(`${file} is not valid JSON.`, { cause })
  }
  const result = configSchema.safeParse(parsed)
  if (!result.success) {
    const [issue] = result.error.issues
    throw new FormatError(`${file}: ${issue!.path.join('.') || 'the file'} ${issue!.message.toLowerCase()}.`)
  }
  const config = result.data
  if (config.peft_type.toUpperCase() !== 'LORA') {
    throw new FormatError(`${file} describes an adapter of type ${show(config.peft_type)}; only LORA is read.`, {
      hint: 'Merge it into its model with the library that made it.',
    })
  }
  const foreign =
    config.use_dora === true
      ? 'a DoRA adapter, whose effect is not a low-rank sum'
      : typeof config.init_lora_weights === 'string' && SPLITTING_STARTS.test(config.init_lora_weights)
        ? `an adapter started by ${show(config.init_lora_weights)}, which belongs to a changed copy of its model`
        : (config.layer_replication?.length ?? 0) > 0
          ? 'an adapter of replicated layers, which its model does not have'
          : undefined
  if (foreign !== undefined) {
    throw new FormatError(`${file} describes ${foreign}.`, {
      hint: 'Merge it into its model with the library that made it.',
    })
  }
  return {
    alpha: config.lora_alpha,
    rankStabilized: config.use_rslora === true,
    transposed: config.fan_in_fan_out === true,
    rank: config.r,
    rankPattern: plainPattern(config.rank_pattern, 'rank_pattern', file),
    alphaPattern: plainPattern(config.alpha_pattern, 'alpha_pattern', file),
    baseModel: config.base_model_name_or_path ?? undefined,
  }
}

/** Keys may be regular expressions, which files of strangers are not run as. */
function plainPattern(
  pattern: Readonly<Record<string, number>> | null | undefined,
  key: string,
  file: string,
): ReadonlyMap<string, number> {
  const entries = Object.entries(pattern ?? {})
  const expression = entries.find(([name]) => !/^[\w./-]+$/.test(name))
  if (expression !== undefined) {
    throw new FormatError(`${file}: ${key} has the regular expression ${show(expression[0])}; only names are read.`, {
      hint: 'Write the modules by their names.',
    })
  }
  return new Map(entries)
}

/** What the names of all tensors of an adapter begin with. */
export const LORA_PREFIX = 'base_model.model.'
const PART = /^(?<module>.+)\.lora_(?<embedding>embedding_)?(?<which>A|B)(?:\.default)?(?:\.weight)?$/
/** Parts of adapters whose effect is another than a low-rank sum or a replaced tensor. */
const FOREIGN_PART = /lora_|trainable_tokens/
/** What stands in the names of tensors that are saved whole. */
const WRAPPER = /\.(?:modules_to_save(?:\.default)?|original_module|base_layer)(?=\.)/

interface Pair {
  A?: string
  B?: string
  embedding: boolean
}

/**
 * Which tensors of the model the adapter changes, and how.
 * @param shapes of the adapter's tensors, by name
 * @param modelTensors names of the model's tensors
 * @throws {FormatError} on parts without a partner, on ranks that differ from each other or from the configuration, on modules that the
 *   model lacks, and on a tensor that is changed twice
 */
export function adaptations(
  config: LoraConfig,
  shapes: ReadonlyMap<string, readonly number[]>,
  modelTensors: ReadonlySet<string>,
  file: string,
): ReadonlyMap<string, Adaptation> {
  const parts = new Map<string, Pair>()
  const found = new Map<string, Adaptation>()
  const add = (tensor: string, name: string, adaptation: Adaptation) => {
    if (!modelTensors.has(tensor)) throw unknownModule(file, name, tensor)
    if (found.has(tensor))
      throw new FormatError(`${file} changes ${show(tensor)} twice; the second time by ${show(name)}.`)
    found.set(tensor, adaptation)
  }
  for (const name of shapes.keys()) {
    const plain = name.startsWith(LORA_PREFIX) ? name.slice(LORA_PREFIX.length) : name
    const match = PART.exec(plain)?.groups
    if (match === undefined) {
      if (FOREIGN_PART.test(plain)) {
        throw new FormatError(`${file} has ${show(name)}, which is no factor of a low-rank sum.`, {
          hint: 'Merge the adapter into its model with the library that made it.',
        })
      }
      add(plain.replace(WRAPPER, ''), name, { kind: 'whole', tensor: name })
      continue
    }
    const module = match.module!.replace(WRAPPER, '')
    const pair = parts.get(module) ?? { embedding: match.embedding !== undefined }
    const which = match.which as 'A' | 'B' // the expression has these two
    if (pair[which] !== undefined) throw new FormatError(`${file} has lora_${which} of ${show(module)} twice.`)
    pair[which] = name
    parts.set(module, pair)
  }
  for (const [module, pair] of parts) {
    const { A, B } = pair
    if (A === undefined || B === undefined) {
      throw new FormatError(
        `${file} has lora_${A === undefined ? 'B' : 'A'} of ${show(module)} but not lora_${A === undefined ? 'A' : 'B'}.`,
      )
    }
    const rank = rankOf(shapes.get(A)!, shapes.get(B)!, module, file)
    const expected = patternValue(config.rankPattern, module) ?? config.rank
    if (rank !== expected) {
      throw new FormatError(
        `${file}: the factors of ${show(module)} have rank ${rank}, but the configuration says ${expected}.`,
        { hint: 'The files are not of one adapter, or rank_pattern is missing.' },
      )
    }
    const alpha = patternValue(config.alphaPattern, module) ?? config.alpha
    const scale = alpha / (config.rankStabilized ? Math.sqrt(rank) : rank)
    const transposed = pair.embedding || config.transposed
    add(`${module}.weight`, A, { kind: 'low-rank', A, B, scale, transposed })
  }
  return found
}

/** Of A (rank, ...in) and B (out, rank, 1...). Kernels of convolutions lie in A. */
function rankOf(a: readonly number[], b: readonly number[], module: string, file: string): number {
  const fits = a.length >= 2 && b.length === a.length && a[0] === b[1] && b.slice(2).every(size => size === 1)
  if (fits && a[0]! > 0) return a[0]!
  throw new FormatError(
    `${file}: lora_A of ${show(module)} has shape [${a.join(', ')}] and lora_B [${b.join(', ')}]; expected [rank, in] and [out, rank].`,
  )
}

/** The library's rule: a key is the module's name or its end after a dot. */
function patternValue(pattern: ReadonlyMap<string, number>, module: string): number | undefined {
  for (const [key, value] of pattern) if (module === key || module.endsWith(`.${key}`)) return value
  return undefined
}

function unknownModule(file: string, name: string, tensor: string): FormatError {
  return new FormatError(`${file} has ${show(name)}, but the model has no tensor ${show(tensor)}.`, {
    hint: 'Name the model that the adapter was trained on as its base.',
  })
}
