import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { MergeError, show } from '../../errors.ts'
import type { SourceReference } from '../model.ts'
import { modelFolder } from '../open-model.ts'
import { inspectSources } from '../sources.ts'
import type { ExportFacts } from './export.ts'

/**
 * What an export must know of the models; headers are read, no weights.
 * @throws {MergeError} on models that mergekit does not read, {ConfigError | FormatError} where they cannot be read
 */
export function readExportFacts(sources: readonly SourceReference[]): ExportFacts {
  const { weights, others } = inspectSources(sources)
  for (const { id, path } of sources) requireFolder(id, modelFolder(path))
  return {
    tensors: weights,
    hasOthers: others.length > 0,
    models: new Map(sources.map(({ id, path }) => [id, path])),
    modelType: modelTypeOf(modelFolder(sources[0]!.path)),
  }
}

function requireFolder(id: string, path: string): void {
  if (statSync(path).isDirectory() && existsSync(join(path, 'config.json'))) return
  throw new MergeError(
    `mergekit cannot read the source ${show(id)}: it takes folders with weights and a config.json, and ${path} is none.`,
    { hint: 'Write the merged model itself, with "amalgam merge".' },
  )
}

function modelTypeOf(folder: string): string | undefined {
  try {
    const config: unknown = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))
    const type = typeof config === 'object' && config !== null && 'model_type' in config ? config.model_type : undefined
    return typeof type === 'string' ? type : undefined
  } catch {
    return undefined // mergekit will say what is wrong with it
  }
}
