import { readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ConfigError } from '../errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { adaptations, parseLoraConfig } from '../formats/lora.ts'
import { openCheckpoint } from '../formats/open-file.ts'
import { LoraCheckpoint } from './lora-checkpoint.ts'

const ADAPTER_CONFIG = 'adapter_config.json'
const ADAPTER_WEIGHTS = 'adapter_model.safetensors'

/** Whether a path leads to an adapter: its folder, or the weights in it. */
export function isAdapter(path: string): boolean {
  return isFile(join(folderOf(path), ADAPTER_CONFIG)) && !isFile(join(folderOf(path), 'model.safetensors'))
}

/**
 * Opens a model, or an adapter as the model it makes of its base.
 * @param base the model that an adapter was trained on
 * @throws {ConfigError | FormatError | MergeError}
 */
export function openModel(path: string, base: string | undefined): Checkpoint {
  if (!isAdapter(path)) return openCheckpoint(path)
  const folder = folderOf(path)
  const file = join(folder, ADAPTER_WEIGHTS)
  const config = parseLoraConfig(readFileSync(join(folder, ADAPTER_CONFIG), 'utf8'), join(folder, ADAPTER_CONFIG))
  if (base === undefined) {
    const trained = config.baseModel === undefined ? '' : ` It was trained on "${config.baseModel}".`
    throw new ConfigError(`${path} is an adapter, which means nothing without its model.${trained}`, {
      hint: 'Name that model as the base.',
    })
  }
  if (!isFile(file))
    throw new ConfigError(`${folder} has no ${ADAPTER_WEIGHTS}.`, { hint: 'Save the adapter as safetensors.' })
  const model = openCheckpoint(base)
  try {
    const adapter = openCheckpoint(file)
    try {
      const shapes = new Map([...adapter.tensors].map(([name, { shape }]) => [name, shape]))
      const changes = adaptations(config, shapes, new Set(model.tensors.keys()), file)
      return new LoraCheckpoint(model, adapter, changes, config.transposed)
    } catch (error) {
      adapter.close()
      throw error
    }
  } catch (error) {
    model.close()
    throw error
  }
}

function folderOf(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path)
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}
