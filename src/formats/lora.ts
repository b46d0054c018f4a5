import { z } from 'zod'
import { FormatError, show } from '../errors.ts'

/**
 * Low-rank adapters in the layout of the PEFT library: `adapter_config.json` and `adapter_model.safetensors` with, for a module M,
 * `base_model.model.M.lora_A.weight` (r, in) and `base_model.model.M.lora_B.weight` (out, r), so that M.weight grows by
 * scale · B A. E. Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022, equation 3; scale = alpha / r, or alpha / √r
 * for rank-stabilized adapters (D. Kalajdzievski 2023).
 */

const configSchema = z.looseObject({
  peft_type: z.string().default('LORA'),
  r: z.int().min(1),
  lora_alpha: z.number(),
  use_rslora: z.boolean().nullish(),
  use_dora: z.boolean().nullish(),
  fan_in_fan_out: z.boolean().nullish(),
  bias: z.string().nullish(),
  rank_pattern: z.record(z.string(), z.number()).nullish(),
  alpha_pattern: z.record(z.string(), z.number()).nullish(),
  base_model_name_or_path: z.string().nullish(),
})

export interface LoraConfig {
  readonly alpha: number
  readonly rankStabilized: boolean
  /** Weights of the modules are stored (in, out). */
  readonly transposed: boolean
  /** Module name, or part of it after a dot → alpha. */
  readonly alphaPattern: ReadonlyMap<string, number>
  /** The model it was trained on, as its maker named it. */
  readonly baseModel: string | undefined
}

/** What an adapter does to one tensor of its model, or that it replaces it. */
export type Adaptation =
  | { readonly kind: 'low-rank'; readonly A: string; readonly B: string; readonly scale: number }
  | { readonly kind: 'whole'; readonly tensor: string }

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
  if (config.use_dora === true) {
    throw new FormatError(`${file} describes a DoRA adapter, whose effect is not a low-rank sum.`, {
      hint: 'Merge it into its model with the library that made it.',
    })
  }
  return {
    alpha: config.lora_alpha,
    rankStabilized: config.use_rslora === true,
    transposed: config.fan_in_fan_out === true,
    alphaPattern: new Map(Object.entries(config.alpha_pattern ?? {})),
    baseModel: config.base_model_name_or_path ?? undefined,
  }
}

const PREFIX = 'base_model.model.'
const PART = /^(?<module>.+)\.lora_(?<which>A|B|embedding_A|embedding_B)(?:\.default)?(?:\.weight)?$/

/**
 * Which tensors of the model the adapter changes, and how.
 * @param shapes of the adapter's tensors, by name
 * @param modelTensors names of the model's tensors
 * @throws {FormatError} on parts without a partner, on ranks that differ, and on modules that the model lacks
 */
export function adaptations(
  config: LoraConfig,
  shapes: ReadonlyMap<string, readonly number[]>,
  modelTensors: ReadonlySet<string>,
  file: string,
): ReadonlyMap<string, Adaptation> {
  const parts = new Map<string, { A?: string; B?: string }>()
  const found = new Map<string, Adaptation>()
  for (const name of shapes.keys()) {
    const plain = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name
    const match = PART.exec(plain)?.groups
    if (match === undefined) {
      const tensor = plain.replace('.modules_to_save', '').replace('.original_module', '').replace('.base_layer', '')
      if (!modelTensors.has(tensor)) throw unknownModule(file, name, tensor)
      found.set(tensor, { kind: 'whole', tensor: name })
      continue
    }
    if (match.which!.startsWith('embedding')) {
      throw new FormatError(`${file} adapts the embedding ${show(match.module)}, which is not read yet.`, {
        hint: 'Merge it into its model with the library that made it.',
      })
    }
    const pair = parts.get(match.module!) ?? {}
    pair[match.which as 'A' | 'B'] = name // the expression has these two left
    parts.set(match.module!, pair)
  }
  for (const [module, { A, B }] of parts) {
    if (A === undefined || B === undefined) {
      throw new FormatError(
        `${file} has lora_${A === undefined ? 'B' : 'A'} of ${show(module)} but not lora_${A === undefined ? 'A' : 'B'}.`,
      )
    }
    const tensor = `${module}.weight`
    if (!modelTensors.has(tensor)) throw unknownModule(file, A, tensor)
    const [a, b] = [shapes.get(A)!, shapes.get(B)!]
    if (a.length !== 2 || b.length !== 2 || a[0] !== b[1]) {
      throw new FormatError(
        `${file}: lora_A of ${show(module)} has shape [${a.join(', ')}] and lora_B [${b.join(', ')}]; expected [rank, in] and [out, rank].`,
      )
    }
    const alpha = patternValue(config.alphaPattern, module) ?? config.alpha
    const rank = a[0]!
    found.set(tensor, { kind: 'low-rank', A, B, scale: alpha / (config.rankStabilized ? Math.sqrt(rank) : rank) })
  }
  return found
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
