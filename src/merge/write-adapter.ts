import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ConfigError, MergeError, show } from '../errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { decodeToFloat32, dtypeBytes, isWeightDtype } from '../formats/dtype.ts'
import { LORA_PREFIX } from '../formats/lora.ts'
import type { TensorSpec } from '../formats/safetensors.ts'
import { SafetensorsWriter, syncFolder, temporaryName } from '../formats/write-file.ts'
import type { Recipe } from '../space/recipe.ts'
import { LoraCheckpoint } from './lora-checkpoint.ts'
import type { SourceReference } from './model.ts'
import type { WrittenModel } from './model-folder.ts'
import { planTensors } from './plan.ts'
import { type OpenSources, openSources } from './sources.ts'
import { factorName, type StackedTensor, stackAdapters } from './stack-adapters.ts'

/**
 * Writes the merge of adapters of one model as an adapter, in float32: its rank is the sum of theirs.
 * @param out a folder that is new or empty
 * @throws {ConfigError | FormatError | MergeError} also where the recipe does more than add adapters
 */
export function mergeToAdapter(recipe: Recipe, references: readonly SourceReference[], out: string): WrittenModel {
  const target = resolve(out)
  if (existsSync(target) && (!statSync(target).isDirectory() || readdirSync(target).length > 0)) {
    throw new ConfigError(`${target} exists and is not an empty folder.`, {
      hint: 'Choose another place, or remove it.',
    })
  }
  const named = new Set([...recipe.sources, ...(recipe.base === undefined ? [] : [recipe.base])])
  const opened = openSources(references.filter(({ id }) => named.has(id)))
  try {
    const adapters = adaptersOf(opened)
    const sections = planTensors(
      recipe,
      opened.sources.map(({ id }) => id),
      opened.weights,
    )
    const planned = opened.weights.map(({ name }, t) => ({ name, sections: sections[t]! }))
    const stacked = stackAdapters(
      opened.sources.map(({ id }, s) => ({ id, adaptations: adapters[s]?.adaptations ?? new Map() })),
      planned,
    )
    if (stacked.length === 0) throw new MergeError('Nothing is left of the adapters: all coefficients are 0.')
    mkdirSync(dirname(target), { recursive: true })
    const temporary = temporaryName(target)
    mkdirSync(temporary)
    try {
      writeFactors(join(temporary, 'adapter_model.safetensors'), stacked, opened, adapters)
      writeFileSync(
        join(temporary, 'adapter_config.json'),
        `${JSON.stringify(configOf(stacked, adapters), undefined, 2)}\n`,
      )
      for (const { checkpoint } of opened.sources) checkpoint.verifyUnchanged()
      syncFolder(temporary)
      renameSync(temporary, target)
      syncFolder(dirname(target))
    } finally {
      rmSync(temporary, { recursive: true, force: true })
    }
    const files = ['adapter_model.safetensors', 'adapter_config.json'].map(name => join(target, name))
    return { files, bytes: files.reduce((sum, file) => sum + statSync(file).size, 0) }
  } finally {
    opened.close()
  }
}

/** By position of the source; undefined: the model itself. */
function adaptersOf({ sources }: OpenSources): readonly (LoraCheckpoint | undefined)[] {
  const adapters = sources.map(({ checkpoint }) => (checkpoint instanceof LoraCheckpoint ? checkpoint : undefined))
  const first = adapters.find(adapter => adapter !== undefined)
  if (first === undefined) {
    throw new MergeError('None of the sources is an adapter, so there is no adapter to write.', {
      hint: 'Name them as MODEL+ADAPTER, or leave out --adapter.',
    })
  }
  for (const [s, { id, checkpoint }] of sources.entries()) {
    const model = adapters[s]?.model ?? checkpoint
    if (model instanceof LoraCheckpoint || model.files.join() !== first.model.files.join()) {
      throw new MergeError(
        `Adapters are merged into one of the same model, but ${show(id)} is of ${model.path}, not ${first.model.path}.`,
      )
    }
  }
  return adapters
}

function ranksOf(
  { parts }: Extract<StackedTensor, { kind: 'low-rank' }>,
  adapters: readonly (LoraCheckpoint | undefined)[],
) {
  return parts.map(({ source, A }) => adapters[source]!.adapter.tensors.get(A)!.shape[0]!)
}

function configOf(stacked: readonly StackedTensor[], adapters: readonly (LoraCheckpoint | undefined)[]) {
  const low = stacked.filter(entry => entry.kind === 'low-rank')
  const ranks = new Map(
    low.map(entry => [moduleOf(entry.tensor), ranksOf(entry, adapters).reduce((sum, rank) => sum + rank, 0)]),
  )
  const r = Math.max(1, ...ranks.values())
  const others = Object.fromEntries([...ranks].filter(([, rank]) => rank !== r))
  const transposed = low.filter(({ embedding }) => !embedding).map(entry => entry.transposed)
  const first = adapters.find(adapter => adapter !== undefined)!
  return {
    peft_type: 'LORA',
    base_model_name_or_path: first.model.path,
    r,
    lora_alpha: r, // the scales lie in B
    rank_pattern: others,
    alpha_pattern: others,
    target_modules: [...ranks.keys()],
    modules_to_save: stacked.flatMap(entry => (entry.kind === 'whole' ? [moduleOf(entry.tensor)] : [])),
    fan_in_fan_out: transposed.includes(true),
    bias: 'none',
    lora_dropout: 0,
    inference_mode: true,
  }
}

function moduleOf(tensor: string): string {
  return tensor.replace(/\.(?:weight|bias)$/, '')
}

function writeFactors(
  path: string,
  stacked: readonly StackedTensor[],
  opened: OpenSources,
  adapters: readonly (LoraCheckpoint | undefined)[],
): void {
  const contents = new Map<string, () => Float32Array>()
  const specs: TensorSpec[] = []
  const add = (name: string, shape: readonly number[], values: () => Float32Array) => {
    specs.push({ name, shape, dtype: 'F32' })
    contents.set(name, values)
  }
  for (const entry of stacked) {
    if (entry.kind === 'whole') {
      const { shape } = opened.weights.find(({ name }) => name === entry.tensor)!
      add(LORA_PREFIX + entry.tensor, shape, () => wholeTensor(entry, opened, adapters))
      continue
    }
    const ranks = ranksOf(entry, adapters)
    const rank = ranks.reduce((sum, own) => sum + own, 0)
    const factor = (p: number, which: 'A' | 'B') => {
      const part = entry.parts[p]!
      return { checkpoint: adapters[part.source]!.adapter, name: part[which], scale: part.scale }
    }
    const [a, b] = (['A', 'B'] as const).map(which => {
      const { checkpoint, name } = factor(0, which)
      return checkpoint.tensors.get(name)!.shape
    })
    add(factorName(entry.tensor, entry.embedding, 'A'), [rank, ...a!.slice(1)], () => {
      const rows = entry.parts.map((_, p) => floats(factor(p, 'A').checkpoint, factor(p, 'A').name))
      return concatenated(rows)
    })
    add(factorName(entry.tensor, entry.embedding, 'B'), [b![0]!, rank, ...b!.slice(2)], () => {
      const columns = entry.parts.map((_, p) => {
        const { checkpoint, name, scale } = factor(p, 'B')
        return floats(checkpoint, name).map(value => scale * value)
      })
      return besideEachOther(columns, ranks, b![0]!)
    })
  }
  const writer = new SafetensorsWriter(path, specs, new Map([['format', 'pt']]))
  try {
    for (const { name } of writer.layout.entries) {
      const values = contents.get(name)!()
      if (!values.every(Number.isFinite)) throw new MergeError(`Merging ${show(name)} gives a NaN or an infinity.`)
      writer.append(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    }
    writer.commit()
  } finally {
    writer.abort()
  }
}

function wholeTensor(
  { tensor, terms }: Extract<StackedTensor, { kind: 'whole' }>,
  { sources }: OpenSources,
  adapters: readonly (LoraCheckpoint | undefined)[],
): Float32Array {
  const base = floats(adapters.find(adapter => adapter !== undefined)!.model, tensor)
  const merged = Float64Array.from(base)
  for (const { source, coefficient } of terms) {
    const values = floats(sources[source]!.checkpoint, tensor)
    for (const [i, b] of base.entries()) merged[i]! += coefficient * (values[i]! - b)
  }
  return Float32Array.from(merged)
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Matrices of `rows` rows and their own numbers of columns, side by side. */
function besideEachOther(parts: readonly Float32Array[], columns: readonly number[], rows: number): Float32Array {
  const width = columns.reduce((sum, count) => sum + count, 0)
  const out = new Float32Array(rows * width)
  let at = 0
  for (const [p, part] of parts.entries()) {
    const count = columns[p]!
    for (let row = 0; row < rows; row++) out.set(part.subarray(row * count, (row + 1) * count), row * width + at)
    at += count
  }
  return out
}

function floats(checkpoint: Checkpoint, name: string): Float32Array {
  const { dtype, shape } = checkpoint.tensors.get(name)!
  if (!isWeightDtype(dtype))
    throw new MergeError(`Tensor ${show(name)} of ${checkpoint.path} is ${dtype}; only floats are merged.`)
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1))
  const bytes = new Uint8Array(values.length * dtypeBytes(dtype))
  decodeToFloat32(checkpoint.read(name, bytes), dtype, values)
  return values
}
