import { existsSync } from 'node:fs'
import { basename, extname, resolve } from 'node:path'
import { ConfigError, show } from '../../errors.ts'
import { inspectModels } from '../../merge/inspect-files.ts'
import type { SourceReference } from '../../merge/model.ts'
import { resolveModelPath, splitModelPath } from '../../merge/model-path.ts'
import { renderInspection } from '../inspect-text.ts'
import { print, printJson } from '../output.ts'

interface InspectFlags {
  readonly base?: string
  readonly headers?: boolean
  readonly json?: boolean
}

export function inspectCommand(paths: readonly string[], flags: InspectFlags): void {
  if (flags.headers && flags.base !== undefined) {
    throw new ConfigError('--headers reads no weights, and --base is for comparing them.', { hint: 'Leave one out.' })
  }
  const references: SourceReference[] = []
  for (const path of flags.base === undefined ? paths : [flags.base, ...paths]) add(references, path)
  const base = flags.base === undefined ? undefined : references[0]!.id
  if (base !== undefined && references.length < 2) {
    throw new ConfigError(`There is nothing to compare ${show(flags.base)} with.`, {
      hint: 'Name the models that were tuned from it.',
    })
  }
  const inspection = inspectModels(references, base, flags.headers !== true)
  if (flags.json) printJson({ v: 1, ...inspection })
  else print(renderInspection(inspection))
}

/** Ids from file names, numbered where they are taken; a model that is named twice is looked at once. */
function add(references: SourceReference[], written: string): void {
  if (splitModelPath(written, existsSync) === undefined) {
    throw new ConfigError(`There is no model ${show(written)}.`, { hint: `Looked for ${resolve(written)}.` })
  }
  const path = resolveModelPath(process.cwd(), written, existsSync)
  if (references.some(reference => reference.path === path)) return
  const stem = basename(path, extname(path).length > 5 ? extname(path) : '').replace(/\.(?:safetensors|onnx)$/, '')
  for (let n = 1; ; n++) {
    const id = n === 1 ? stem : `${stem}-${n}`
    if (references.some(reference => reference.id === id)) continue
    references.push({ id, path })
    return
  }
}
