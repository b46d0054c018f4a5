import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ConfigError, FormatError } from '../errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { adaptations, parseLoraConfig } from '../formats/lora.ts'
import { openCheckpoint } from '../formats/open-file.ts'
import { LoraCheckpoint } from './lora-checkpoint.ts'
import { splitModelPath } from './model-path.ts'

const ADAPTER_CONFIG = 'adapter_config.json'
const ADAPTER_WEIGHTS = 'adapter_model.safetensors'
/** Alphas and ranks of every module of the largest models fit in a tenth of it. */
const CONFIG_BYTES_LIMIT = 4 << 20

/** Whether a path leads to an adapter: its folder, or the weights in it. */
export function isAdapter(path: string): boolean {
  return isFile(join(folderOf(path), ADAPTER_CONFIG)) && !isFile(join(folderOf(path), 'model.safetensors'))
}

/**
 * Opens a model, or an adapter as the model it makes of its base.
 * @param path of a model, of an adapter, or `model+adapter`
 * @param base the model that an adapter on its own was trained on
 * @throws {ConfigError | FormatError | MergeError}
 */
export function openModel(path: string, base?: string): Checkpoint {
  const [model, ...adapters] = splitModelPath(path, existsSync) ?? [path]
  let opened = isAdapter(model!) ? adapt(openBase(model!, base), model!) : openCheckpoint(model!)
  for (const adapter of adapters) opened = adapt(opened, adapter)
  return opened
}

/** The folder whose config and tokenizer belong to a model: that of the model itself, not of an adapter. */
export function modelFolder(path: string): string {
  return splitModelPath(path, existsSync)?.[0] ?? path
}

function openBase(adapter: string, base: string | undefined): Checkpoint {
  if (base !== undefined) return openModel(base)
  const { baseModel } = readConfig(adapter)
  const trained = baseModel === undefined ? '' : ` It was trained on "${baseModel}".`
  throw new ConfigError(`${adapter} is an adapter, which means nothing without its model.${trained}`, {
    hint: 'Write it as MODEL+ADAPTER.',
  })
}

/** Takes over the model: it is closed where the adapter does not fit. */
function adapt(model: Checkpoint, path: string): Checkpoint {
  try {
    const file = join(folderOf(path), ADAPTER_WEIGHTS)
    const config = readConfig(path)
    if (!isFile(file)) {
      throw new ConfigError(`${folderOf(path)} has no ${ADAPTER_WEIGHTS}.`, {
        hint: 'Save the adapter as safetensors.',
      })
    }
    const adapter = openCheckpoint(file)
    try {
      const shapes = new Map([...adapter.tensors].map(([name, { shape }]) => [name, shape]))
      return new LoraCheckpoint(model, adapter, adaptations(config, shapes, new Set(model.tensors.keys()), file))
    } catch (error) {
      adapter.close()
      throw error
    }
  } catch (error) {
    model.close()
    throw error
  }
}

function readConfig(path: string) {
  const file = join(folderOf(path), ADAPTER_CONFIG)
  if (!isFile(file)) {
    throw new ConfigError(`${path} is no adapter: there is no ${ADAPTER_CONFIG}.`, {
      hint: 'What follows a "+" is the folder of a low-rank adapter.',
    })
  }
  const { size } = statSync(file)
  if (size > CONFIG_BYTES_LIMIT) {
    throw new FormatError(`${file} has ${size} bytes; a configuration has at most ${CONFIG_BYTES_LIMIT}.`)
  }
  return parseLoraConfig(readFileSync(file, 'utf8'), file)
}

function folderOf(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path)
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}
